package imagelock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/artifacts"
)

// ErrChanged says that a repository serves another archive under a chart's name and
// version than the lock file has.
var ErrChanged = errors.New("the chart is not the one that was locked")

// Charts compares the archive of each chart of the set, as its repository serves it
// now, with the lock file, and adds those that the file lacks. It only compares: the
// provider that installs a chart fetches it again.
func Charts(ctx context.Context, set *artifacts.Set, file string, resolve func(context.Context, artifacts.Chart) (string, error)) error {
	l, err := read(file)
	if err != nil {
		return err
	}
	served := map[string]artifacts.Chart{}
	for _, c := range set.Charts {
		if c.Repo != "" {
			served[c.Repo+"/"+c.Name+":"+c.Version] = c
		}
	}
	now, err := resolveAll(ctx, served, resolve)
	if err != nil {
		return fmt.Errorf("digests of the official charts: %w", err)
	}
	known := len(l.Charts)
	for _, reference := range slices.Sorted(maps.Keys(now)) {
		switch l.Charts[reference] {
		case now[reference]:
		case "":
			l.Charts[reference] = now[reference]
		default:
			return fmt.Errorf("%w: %s is served as %s, and %s has %s; find out who changed it, or remove the line to take it as it is",
				ErrChanged, reference, now[reference], file, l.Charts[reference])
		}
	}
	if len(l.Charts) == known {
		return nil
	}
	return l.write(file)
}

// maxDownload bounds a repository's index and a chart's archive, in bytes.
const maxDownload = 64 << 20

// Archive is the digest of the chart's archive as the repository serves it now. It
// is that of the bytes themselves: Helm installs them whatever digest the index
// states.
func Archive(ctx context.Context, c artifacts.Chart) (string, error) {
	index, err := url.Parse(strings.TrimSuffix(c.Repo, "/") + "/index.yaml")
	if err != nil {
		return "", err
	}
	text, err := download(ctx, index)
	if err != nil {
		return "", err
	}
	var content struct {
		Entries map[string][]struct {
			Version string   `json:"version"`
			URLs    []string `json:"urls"`
		} `json:"entries"`
	}
	if err := yaml.Unmarshal(text, &content); err != nil {
		return "", fmt.Errorf("%s: %w", index, err)
	}
	for _, entry := range content.Entries[c.Name] {
		if entry.Version != c.Version || len(entry.URLs) == 0 {
			continue
		}
		at, err := index.Parse(entry.URLs[0]) // relative to the index, or whole
		if err != nil {
			return "", err
		}
		archive, err := download(ctx, at)
		return digest.FromBytes(archive).String(), err
	}
	return "", fmt.Errorf("%s lists no version %s", index, c.Version)
}

func download(ctx context.Context, at *url.URL) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers with %s", at, response.Status)
	}
	return io.ReadAll(http.MaxBytesReader(nil, response.Body, maxDownload))
}
