package airgap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/docker"
)

// Cleaned says what Clean removed.
type Cleaned struct {
	Images []string `json:"images"` // names
	Bytes  int64    `json:"bytes"`  // of files, hard links counted once
	// Kept are images in use by containers.
	Kept []string `json:"kept,omitempty"`
	// Changed are files in place of the kit's, which stay.
	Changed []string `json:"changed,omitempty"`
}

// Clean removes the files that the kit's description and cache record, and the images
// and build containers with its label in the Docker daemon. Images that a container uses
// and files of others stay. Without a Docker daemon that answers it removes files only.
func Clean(ctx context.Context, o Options) (*Cleaned, error) {
	o = o.withDefaults()
	unlock, err := (&engine{store: store{o.CacheDir}, ui: o.UI}).lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	out := &Cleaned{}
	client, err := docker.Find(ctx)
	switch {
	case errors.Is(err, docker.ErrUnreachable) || errors.Is(err, docker.ErrNoCommand):
		o.UI.Info("no Docker daemon answers; only files are removed")
	case err != nil:
		return out, err
	default:
		if err := removeBuildContainers(ctx, client, o.CacheDir); err != nil {
			return out, err
		}
		if err := cleanImages(ctx, client, o.CacheDir, out); err != nil {
			return out, err
		}
	}
	before := diskUsage(o.CacheDir)
	if err := cleanKit(o.KitDir, out); err != nil {
		return out, fmt.Errorf("remove the kit: %w", err)
	}
	for _, name := range []string{"steps", "work", "logs", "lock"} {
		if err := os.RemoveAll(filepath.Join(o.CacheDir, name)); err != nil {
			return out, fmt.Errorf("remove the kit: %w", err)
		}
	}
	removeEmpty(o.CacheDir)
	out.Bytes = before - diskUsage(o.CacheDir)
	return out, nil
}

// cleanKit removes from a kit's directory the files that its description lists. One that
// has another content by now is somebody else's.
func cleanKit(dir string, out *Cleaned) error {
	description := filepath.Join(dir, artifacts.File)
	var set artifacts.Set
	switch err := readJSON(description, &set); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("what belongs to it is unknown: %w", err)
	}
	files := map[string]string{} // the digest by path; "" is any
	for _, b := range set.Binaries {
		files[b.Path] = b.SHA256
	}
	for _, c := range set.Charts {
		files[c.Path] = strings.TrimPrefix(c.Digest, "sha256:")
	}
	for _, path := range set.Archives {
		files[path] = ""
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if !filepath.IsLocal(path) {
			return fmt.Errorf("%s names %s, which is outside", description, path)
		}
		file := filepath.Join(dir, path)
		sum, _, err := fileDigest(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if want := files[path]; err == nil && want != "" && sum != want {
			out.Changed = append(out.Changed, file)
			continue
		}
		if err := errors.Join(err, os.Remove(file)); err != nil {
			return err
		}
	}
	if err := os.Remove(description); err != nil {
		return err
	}
	for _, name := range []string{"bin", "charts", "images"} {
		removeEmpty(filepath.Join(dir, name))
	}
	return nil
}

// removeEmpty removes a directory unless something of others is in it.
func removeEmpty(dir string) { _ = os.Remove(dir) }

// removeBuildContainers removes the containers that killed builds of a cache left.
func removeBuildContainers(ctx context.Context, client *docker.Client, cacheDir string) error {
	left, err := client.Containers(ctx, docker.Filter{Labels: map[string]string{cacheLabel: cacheName(cacheDir)}})
	if err != nil {
		return fmt.Errorf("list build containers: %w", err)
	}
	for _, c := range left {
		// Images that are committed from it inherit the label, and so do their containers.
		if c.Labels[kitLabel] != "build" {
			continue
		}
		if err := client.Remove(ctx, c.ID); err != nil {
			return fmt.Errorf("remove build container %s: %w", c.ID, err)
		}
		base, err := client.Image(ctx, c.ImageID)
		if err != nil || base.Config.Labels[kitLabel] != "build" || len(base.RepoTags) > 0 {
			continue
		}
		if err := removeUnused(ctx, client, c.ImageID); err != nil {
			return err
		}
	}
	return nil
}

// pruneImages removes node images that are no result and older than age, and
// unnamed images of builds. An image that a container uses stays.
func pruneImages(ctx context.Context, done map[string]result, age time.Duration) error {
	keep := map[string]bool{}
	for _, step := range []string{stepNode, stepNodeStock} {
		var m madeImage
		if err := readJSON(filepath.Join(done[step].dir, imageFileName), &m); err != nil {
			return err
		}
		keep[m.Name] = true
	}
	client, err := docker.Find(ctx)
	if err != nil {
		return err
	}
	return removeImages(ctx, client, func(i docker.Image, name string) bool {
		return i.Config.Labels[kitLabel] == "node" && !keep[name] && time.Since(i.Created) >= age
	})
}

// unnamedAge spares the images of a build that now runs for another cache.
const unnamedAge = time.Hour

// removeImages removes the kit's images by the names that are stale, and those without
// a name: the base of a killed build, or a node image whose name a later build took over.
func removeImages(ctx context.Context, client *docker.Client, stale func(i docker.Image, name string) bool) error {
	images, err := client.Images(ctx, map[string]string{kitLabel: ""})
	if err != nil {
		return err
	}
	for _, i := range images {
		names := slices.DeleteFunc(slices.Clone(i.RepoTags), func(name string) bool { return !stale(i, name) })
		if len(i.RepoTags) == 0 && time.Since(i.Created) >= unnamedAge {
			names = []string{i.ID}
		}
		for _, name := range names {
			if err := removeUnused(ctx, client, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeUnused removes an image unless a container uses it.
func removeUnused(ctx context.Context, client *docker.Client, image string) error {
	if err := client.RemoveImage(ctx, image); err != nil && !errors.Is(err, docker.ErrConflict) {
		return fmt.Errorf("remove image %s: %w", image, err)
	}
	return nil
}

// cleanImages removes the images that the results in a cache stand for. Another
// cache's images, on the same daemon, are not touched.
func cleanImages(ctx context.Context, client *docker.Client, cacheDir string, out *Cleaned) error {
	records, err := filepath.Glob(filepath.Join(cacheDir, "steps", "*", imageFileName))
	if err != nil {
		return err
	}
	for _, path := range records {
		var m madeImage
		if err := readJSON(path, &m); err != nil {
			return err
		}
		found, err := client.Image(ctx, m.Name)
		if errors.Is(err, docker.ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look up image %s: %w", m.Name, err)
		}
		// The name may belong to another image by now.
		if _, ours := found.Config.Labels[kitLabel]; !ours {
			continue
		}
		err = client.RemoveImage(ctx, m.Name)
		switch {
		case errors.Is(err, docker.ErrConflict):
			out.Kept = append(out.Kept, m.Name)
		case err != nil:
			return fmt.Errorf("remove image %s: %w", m.Name, err)
		default:
			out.Images = append(out.Images, m.Name)
		}
	}
	return removeImages(ctx, client, func(docker.Image, string) bool { return false })
}

// diskUsage sums the sizes of the files below dir, hard links once.
func diskUsage(dir string) int64 {
	var total int64
	type fileID struct{ device, inode uint64 }
	seen := map[fileID]bool{}
	// What cannot be read is not counted: this is a figure to show.
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil //nolint:nilerr // see above
		}
		info, err := d.Info()
		if err != nil {
			return nil //nolint:nilerr // see above
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			id := fileID{uint64(s.Dev), s.Ino} //nolint:gosec,unconvert // the types differ between systems
			if seen[id] {
				return nil
			}
			seen[id] = true
		}
		total += info.Size()
		return nil
	})
	return total
}
