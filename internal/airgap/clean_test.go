package airgap

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/docker/dockertest"
)

// labelled imports an empty image with the kit's label, removed after the test.
func labelled(t *testing.T, client *docker.Client) string {
	t.Helper()
	var archive bytes.Buffer
	if err := tar.NewWriter(&archive).Close(); err != nil {
		t.Fatal(err)
	}
	name := dockertest.Name("kit") + ":1"
	cmd := client.Command(t.Context(), "import", "--change", "LABEL "+kitLabel+"=node", "-", name)
	cmd.Stdin = &archive
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() {
		if err := client.RemoveImage(context.Background(), name); err != nil {
			t.Errorf("remove %s: %v", name, err)
		}
	})
	return name
}

// startLabelled starts a waiting container with labels, removed after the test.
func startLabelled(t *testing.T, client *docker.Client, image string, labels ...string) string {
	t.Helper()
	args := []string{"run", "--detach", "--network", "none"}
	for _, l := range labels {
		args = append(args, "--label", l)
	}
	out, err := client.Run(t.Context(), append(args, image, "/t", "wait")...)
	if err != nil {
		t.Fatal(err)
	}
	id := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if err := client.Remove(context.Background(), id); err != nil {
			t.Errorf("remove container: %v", err)
		}
	})
	return id
}

func TestCleanRemovesItsOwnAndNothingElse(t *testing.T) {
	client := dockertest.Client(t)
	cache, kit := filepath.Join(t.TempDir(), "cache"), t.TempDir()
	mine, others, foreign := labelled(t, client), labelled(t, client), dockertest.Image(t, client)
	for name, image := range map[string]string{"node": mine, "node-foreign": foreign, "node-gone": "mwtest-gone:1"} {
		writeFile(t, filepath.Join(cache, "steps", name+"-0123456789ab", imageFileName), `{"name": "`+image+`"}`)
	}
	writeKit(t, kit)
	left := startLabelled(t, client, foreign, kitLabel+"=build", cacheLabel+"="+cacheName(cache))
	running := startLabelled(t, client, foreign, kitLabel+"=build", cacheLabel+"="+cacheName("/another"))
	node := startLabelled(t, client, foreign, kitLabel+"=node", cacheLabel+"="+cacheName(cache))

	got, err := Clean(t.Context(), Options{CacheDir: cache, KitDir: kit})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{mine}, got.Images); diff != "" || len(got.Kept) > 0 || got.Bytes == 0 {
		t.Errorf("cleaned %+v", got)
	}
	for image, want := range map[string]bool{mine: false, others: true, foreign: true} {
		_, err := client.Image(t.Context(), image)
		if err != nil && !errors.Is(err, docker.ErrNotFound) {
			t.Fatal(err)
		}
		if (err == nil) != want {
			t.Errorf("image %s: there %v, want %v", image, err == nil, want)
		}
	}
	for id, want := range map[string]bool{left: false, running: true, node: true} {
		if _, err := client.Container(t.Context(), id); (err == nil) != want {
			t.Errorf("container %s: there %v, want %v", id, err == nil, want)
		}
	}
	if _, err := os.Stat(cache); err == nil {
		t.Error("the cache is still there")
	}
	checkKit(t, kit, got)
}

// writeKit makes a kit in a directory that has other files, too.
func writeKit(t *testing.T, dir string) {
	t.Helper()
	for _, f := range []string{"bin/pulumi", "bin/kubectl", "bin/foreign", "charts/base-1.tgz", "images/workloads.tar", "kept"} {
		writeFile(t, filepath.Join(dir, f), f)
	}
	sum := func(text string) string { return digest([]byte(text)) }
	set := artifacts.Set{
		Binaries: map[string]artifacts.Binary{
			"pulumi":  {Path: "bin/pulumi", SHA256: sum("bin/pulumi")},
			"kubectl": {Path: "bin/kubectl", SHA256: sum("the kit's own")},
			"gone":    {Path: "bin/gone"},
		},
		Charts:   map[string]artifacts.Chart{"base": {Path: "charts/base-1.tgz", Digest: "sha256:" + sum("charts/base-1.tgz")}},
		Archives: map[string]string{"workloads": "images/workloads.tar"},
	}
	data, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, artifacts.File), string(data))
}

// checkKit: what the kit does not list stays, and so does what was put in a file's place.
func checkKit(t *testing.T, dir string, got *Cleaned) {
	t.Helper()
	var left []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			left = append(left, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"bin/foreign", "bin/kubectl", "kept"}, left); diff != "" {
		t.Errorf("left in the kit's directory (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{filepath.Join(dir, "bin/kubectl")}, got.Changed); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
}

// TestCleanWithoutDocker removes the same files, of a kit that is in its cache.
func TestCleanWithoutDocker(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(t.TempDir(), "absent.sock"))
	dir := t.TempDir()
	writeKit(t, dir)
	writeFile(t, filepath.Join(dir, "steps", "x-0123456789ab", "file"), "x")
	got, err := Clean(t.Context(), Options{CacheDir: dir, KitDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	checkKit(t, dir, got)
	writeFile(t, filepath.Join(dir, artifacts.File), "{")
	if _, err := Clean(t.Context(), Options{CacheDir: dir, KitDir: dir}); err == nil || !strings.Contains(err.Error(), "unknown") {
		t.Errorf("a description that cannot be read: %v", err)
	}
}

func TestCleanKeepsAnImageInUse(t *testing.T) {
	client := dockertest.Client(t)
	cache := filepath.Join(t.TempDir(), "cache")
	base := dockertest.Image(t, client)
	holder := startLabelled(t, client, base)
	name := dockertest.Name("kit") + ":1"
	if _, err := client.Run(t.Context(), "commit", "--change", "LABEL "+kitLabel+"=node", holder, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.RemoveImage(context.Background(), name); err != nil {
			t.Error(err)
		}
	})
	startLabelled(t, client, name)
	writeFile(t, filepath.Join(cache, "steps", "node-0123456789ab", imageFileName), `{"name": "`+name+`"}`)
	got, err := Clean(t.Context(), Options{CacheDir: cache, KitDir: cache})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{name}, got.Kept); diff != "" || len(got.Images) > 0 {
		t.Errorf("cleaned %+v", got)
	}
}

func TestDiskUsageCountsHardLinksOnce(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a", "x"), "12345")
	writeFile(t, filepath.Join(dir, "y"), "123")
	if err := os.Link(filepath.Join(dir, "a", "x"), filepath.Join(dir, "z")); err != nil {
		t.Fatal(err)
	}
	if got := diskUsage(dir); got != 8 {
		t.Errorf("%d bytes, want 8", got)
	}
}
