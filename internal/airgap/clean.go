package airgap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
}

// Clean removes the kit, its cache, and the images and build containers that it
// left in the Docker daemon, which carry its label. Images that a
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
		if err := cleanImages(ctx, client, o.CacheDir, out); err != nil {
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
		base, err := client.Image(ctx, c.ImageID)
		if err != nil || base.Config.Labels[kitLabel] != "build" || len(base.RepoTags) > 0 {
			continue
		}
		if err := client.RemoveImage(ctx, c.ImageID); err != nil && !errors.Is(err, docker.ErrConflict) {
			return fmt.Errorf("remove build image %s: %w", c.ImageID, err)
		}
	}
	return nil
}

// pruneImages removes node images that are no result and older than age, and
// what builds left unnamed. An image that a container uses stays.
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
	if err := removeUnnamed(ctx, client); err != nil {
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

// unnamedAge spares the images of a build that runs now from another cache.
const unnamedAge = time.Hour

// removeUnnamed removes the kit's images that have no name: the base of a killed
// build, or a node image whose name a later build took over.
func removeUnnamed(ctx context.Context, client *docker.Client) error {
	images, err := client.Images(ctx, map[string]string{kitLabel: ""})
	if err != nil {
		return err
	}
	for _, i := range images {
		if len(i.RepoTags) > 0 || time.Since(i.Created) < unnamedAge {
			continue
		}
		if err := client.RemoveImage(ctx, i.ID); err != nil && !errors.Is(err, docker.ErrConflict) {
			return err
		}
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
		// The name may have come to mean something else.
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
	return removeUnnamed(ctx, client)
}

// fileID tells files apart that have several names.
type fileID struct{ device, inode uint64 }

func idOf(info fs.FileInfo) (fileID, bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}, false
	}
	return fileID{uint64(s.Dev), s.Ino}, true //nolint:gosec,unconvert // the types differ between systems
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
