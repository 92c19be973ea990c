package kubernetes

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRenderCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "renders")
	made := 0
	render := func() (rendering, error) {
		made++
		return rendering{Checksum: "c", Names: map[string]any{"Pod/v1": []any{"a"}}}, nil
	}
	for range 2 { // twice in one process, and in the next process
		r := &renders{dir: dir}
		for range 2 {
			got, err := r.get("key", render)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(rendering{Checksum: "c", Names: map[string]any{"Pod/v1": []any{"a"}}}, got); d != "" {
				t.Errorf("rendering (-want +got):\n%s", d)
			}
		}
	}
	if made != 1 {
		t.Errorf("rendered %d times", made)
	}
	info, err := os.Stat(filepath.Join(dir, "key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file %v, error %v", info, err)
	}

	// A damaged file is rendered again, and an error is not kept.
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &renders{dir: dir}
	failure := errors.New("no")
	if _, err := r.get("key", func() (rendering, error) { return rendering{}, failure }); !errors.Is(err, failure) {
		t.Errorf("error %v", err)
	}
	if got, err := r.get("key", render); err != nil || got.Checksum != "c" || made != 2 {
		t.Errorf("%+v, error %v, rendered %d times", got, err, made)
	}
}

func TestRenderKey(t *testing.T) {
	dir := t.TempDir()
	chart := filepath.Join(dir, "a.tgz")
	write := func(contents string) {
		t.Helper()
		if err := os.WriteFile(chart, []byte(contents), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	key := func(rel releaseInputs) string {
		t.Helper()
		k, err := renderKey(chart, &rel)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	base := key(releaseInputs{Name: "a", values: map[string]any{"x": "secret"}})
	if again := key(releaseInputs{Name: "a", values: map[string]any{"x": "secret"}}); again != base {
		t.Error("the same inputs have two keys")
	}
	if strings.Contains(base, "secret") || strings.ContainsAny(base, "/.") {
		t.Errorf("key %q", base)
	}
	for name, other := range map[string]releaseInputs{
		"name":   {Name: "b", values: map[string]any{"x": "secret"}},
		"values": {Name: "a", values: map[string]any{"x": "other"}},
		"crds":   {Name: "a", SkipCrds: true, values: map[string]any{"x": "secret"}},
	} {
		if key(other) == base {
			t.Errorf("another %s has the same key", name)
		}
	}
	write("two")
	if key(releaseInputs{Name: "a", values: map[string]any{"x": "secret"}}) == base {
		t.Error("another chart has the same key")
	}
	if _, err := renderKey(dir, &releaseInputs{}); err == nil {
		t.Error("a directory has a key")
	}
	if _, err := renderKey(chart, &releaseInputs{Postrender: "sed"}); err == nil {
		t.Error("a chart that a command rewrites has a key")
	}
}
