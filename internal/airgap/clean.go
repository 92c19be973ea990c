package airgap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/docker"
)

// Cleaned says what Clean removed.
type Cleaned struct {
	Images []string `json:"images"` // names, or IDs of unnamed ones
	Bytes  int64    `json:"bytes"`  // of files, hard links counted once
	// Kept are images in use by containers.
	Kept []string `json:"kept,omitempty"`
}

// Clean removes the kit, its cache, and the images and build containers that it
// left in the Docker daemon, which are known by their label. Images that a
// container uses stay and are reported. Without a Docker daemon only files go.
func Clean(ctx context.Context, o Options) (*Cleaned, error) {
	o = o.withDefaults()
	unlock, err := (&engine{store: store{o.CacheDir}, ui: o.UI}).lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	out := &Cleaned{}
	client, err := docker.Find(ctx)
	if err != nil {
		o.UI.Info("no Docker daemon answers; only files are removed")
	} else {
		if err := removeBuildContainers(ctx, o.CacheDir); err != nil {
			return out, err
		}
		if err := cleanImages(ctx, client, out); err != nil {
			return out, err
		}
	}
	out.Bytes = diskUsage(o.CacheDir)
	dirs := []string{o.CacheDir}
	if o.KitDir != o.CacheDir {
		// The kit's directory may be the user's own choice: take out what a kit
		// consists of and nothing else.
		for _, name := range []string{artifacts.File, "bin", "charts", "images"} {
			dirs = append(dirs, filepath.Join(o.KitDir, name))
		}
	}
	for _, d := range dirs {
		if err := os.RemoveAll(d); err != nil {
			return out, fmt.Errorf("remove the kit: %w", err)
		}
	}
	return out, nil
}

// removeBuildContainers removes the containers that killed builds of a cache left.
func removeBuildContainers(ctx context.Context, cacheDir string) error {
	client, err := docker.Find(ctx)
	if err != nil {
		return err
	}
	left, err := client.Containers(ctx, docker.Filter{Labels: map[string]string{cacheLabel: cacheName(cacheDir)}})
	if err != nil {
		return fmt.Errorf("list build containers: %w", err)
	}
	for _, c := range left {
		// The label is on images made from it too, and so on their containers.
		if c.Labels[kitLabel] != "build" {
			continue
		}
		if err := client.Remove(ctx, c.ID); err != nil {
			return fmt.Errorf("remove build container %s: %w", c.ID, err)
		}
	}
	return nil
}

// pruneImages removes node images that are no result, older than age and used by
// no container.
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
	images, err := client.Images(ctx, map[string]string{kitLabel: "node"})
	if err != nil {
		return err
	}
	for _, i := range images {
		for _, name := range i.RepoTags {
			if keep[name] || time.Since(i.Created) < age {
				continue
			}
			if err := client.RemoveImage(ctx, name); err != nil && !errors.Is(err, docker.ErrConflict) {
				return err
			}
		}
	}
	return nil
}

func cleanImages(ctx context.Context, client *docker.Client, out *Cleaned) error {
	images, err := client.Images(ctx, map[string]string{kitLabel: ""})
	if err != nil {
		return fmt.Errorf("list the kit's images: %w", err)
	}
	for _, i := range images {
		name := i.ID
		if len(i.RepoTags) > 0 {
			name = i.RepoTags[0]
		}
		err := client.RemoveImage(ctx, name)
		switch {
		case errors.Is(err, docker.ErrConflict):
			out.Kept = append(out.Kept, name)
		case err != nil:
			return fmt.Errorf("remove image %s: %w", name, err)
		default:
			out.Images = append(out.Images, name)
		}
	}
	return nil
}

// diskUsage sums the sizes of the files below dir, hard links once.
func diskUsage(dir string) int64 {
	var total int64
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
		if id, ok := idOf(info); !ok || !seen[id] {
			seen[id] = true
			total += info.Size()
		}
		return nil
	})
	return total
}
