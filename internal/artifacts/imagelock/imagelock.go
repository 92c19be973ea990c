// Package imagelock pins the official images and charts by digest. A digest is resolved
// at the first use and written to a lock file. From then on the image is used by that
// digest, and a chart with another digest is refused. No digest is ever guessed.
package imagelock

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/renameio/v2"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/paths"
)

// FormatVersion of the lock file.
const FormatVersion = 1

// resolveTimeout bounds the questions to the registries, which go out at once.
const resolveTimeout = time.Minute

// lock is the file's content.
type lock struct {
	Version int               `json:"version"`
	Images  map[string]string `json:"images"` // reference with its tag: "sha256:<hex>"
	Charts  map[string]string `json:"charts"` // <repository>/<name>:<version>: likewise, of the archive
}

// Resolver asks a registry for the digest that a reference has now.
type Resolver func(ctx context.Context, reference string) (digest string, err error)

// Name of the lock file in a project's directory.
const Name = "images.lock.json"

// File is where digests are kept: $MESHWRIGHT_LOCK, else images.lock.json in the
// project's directory, to be shared with its settings, or among this user's state
// when project is "". It is absolute.
func File(project string) string {
	file := cmp.Or(os.Getenv("MESHWRIGHT_LOCK"), filepath.Join(cmp.Or(project, paths.State()), Name))
	if abs, err := filepath.Abs(file); err == nil {
		return abs
	}
	return file
}

// Registry is the set of official artifacts with every image named by digest, as
// the lock file has it.
func Registry(ctx context.Context, file string) (*artifacts.Set, error) {
	return Pin(ctx, artifacts.Registry(), file, Ask)
}

// Pin names every image of the set by digest: as the lock file has it, else as
// resolve finds it, which is then added to the file.
func Pin(ctx context.Context, set *artifacts.Set, file string, resolve Resolver) (*artifacts.Set, error) {
	l, err := read(file)
	if err != nil {
		return nil, err
	}
	unknown := map[string]string{}
	for _, reference := range references(set) {
		if l.Images[reference] == "" {
			unknown[reference] = reference
		}
	}
	if len(unknown) > 0 {
		found, err := resolveAll(ctx, unknown, resolve)
		if err != nil {
			return nil, fmt.Errorf("digests of the official images: %w", err)
		}
		maps.Copy(l.Images, found)
		if err := l.write(file); err != nil {
			return nil, err
		}
	}
	l.pin(set)
	return set, nil
}

// Known is the set of official artifacts as far as the lock file has digests for
// them; the others are named by tag. No registry is asked, and nothing is written.
func Known(file string) (*artifacts.Set, error) {
	l, err := read(file)
	if err != nil {
		return nil, err
	}
	set := artifacts.Registry()
	l.pin(set)
	return set, nil
}

// pin names the images of the set whose digest is known by it.
func (l *lock) pin(set *artifacts.Set) {
	for key, image := range set.Images {
		if known := l.Images[image.Name]; known != "" {
			image.Name, image.Digest = image.Name+"@"+known, known
			set.Images[key] = image
		}
	}
}

// references are the images that carry no digest yet, sorted. The node image has
// one, by kind's library.
func references(set *artifacts.Set) []string {
	var all []string
	for _, image := range set.Images {
		if !strings.Contains(image.Name, "@") {
			all = append(all, image.Name)
		}
	}
	slices.Sort(all)
	return all
}

// resolveAll asks for the digest of each reference at once.
func resolveAll[T any](ctx context.Context, wanted map[string]T, resolve func(context.Context, T) (string, error)) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	var mu sync.Mutex
	digests := map[string]string{}
	for reference, of := range wanted {
		group.Go(func() error {
			resolved, err := resolve(ctx, of)
			if err == nil && !isDigest(resolved) {
				err = fmt.Errorf("the registry answers with %q, which is no digest", resolved)
			}
			if err != nil {
				return fmt.Errorf("%s: %w\nwhere the registries cannot be reached, use the airgap kit: --artifacts airgap", reference, err)
			}
			mu.Lock()
			defer mu.Unlock()
			digests[reference] = resolved
			return nil
		})
	}
	return digests, group.Wait()
}

func isDigest(s string) bool { return digest.Digest(s).Validate() == nil }

func read(file string) (*lock, error) {
	l := &lock{Version: FormatVersion, Images: map[string]string{}, Charts: map[string]string{}}
	data, err := os.ReadFile(file) //nolint:gosec // the user's choice
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("lock file of the official images and charts: %w", err)
	}
	if err := json.Unmarshal(data, l); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w; restore it, or remove it to resolve the digests again", file, err)
	}
	if l.Version != FormatVersion {
		return nil, fmt.Errorf("%s has format %d, this program reads %d", file, l.Version, FormatVersion)
	}
	for _, digests := range []*map[string]string{&l.Images, &l.Charts} {
		for reference, value := range *digests {
			if !isDigest(value) {
				return nil, fmt.Errorf("%s: %s has %q for a digest; restore the line, or remove it to resolve it again", file, reference, value)
			}
		}
		if *digests == nil { // the file says null
			*digests = map[string]string{}
		}
	}
	return l, nil
}

// write replaces the file in one step. Of two concurrent writers one wins; what its file
// lacks is resolved again.
func (l *lock) write(file string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("lock file of the official images and charts: %w; to use another, set MESHWRIGHT_LOCK", err)
		}
	}()
	data, err := json.MarshalIndent(l, "", "  ") // maps are written sorted
	if err != nil {
		return err
	}
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return renameio.WriteFile(file, append(data, '\n'), 0o600, renameio.WithTempDir(dir), renameio.WithStaticPermissions(0o600))
}

// Ask is the Resolver that asks the reference's registry, as its specification
// says: a HEAD of the manifest, with a token where one is demanded.
func Ask(ctx context.Context, reference string) (string, error) { return ask(ctx, reference, false) }

func ask(ctx context.Context, reference string, plainHTTP bool) (string, error) {
	repository, err := remote.NewRepository(reference)
	if err != nil {
		return "", err
	}
	repository.PlainHTTP = plainHTTP
	repository.Client = &auth.Client{Client: http.DefaultClient, Cache: auth.NewCache()}
	descriptor, err := repository.Resolve(ctx, repository.Reference.Reference)
	if err != nil {
		return "", err
	}
	return descriptor.Digest.String(), nil
}
