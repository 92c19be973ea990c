package artifacts

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func kitSet() *Set {
	s := &Set{
		Version: FormatVersion, Source: SourceAirgap,
		NodeImage: Image{Name: "meshwright/node:v1.35.4-0123456789ab"},
		Images:    map[string]Image{}, Charts: map[string]Chart{}, Binaries: map[string]Binary{},
	}
	for _, k := range ImageKeys {
		s.Images[k] = Image{Name: "meshwright.local/" + k + ":1"}
	}
	for _, k := range ChartKeys {
		s.Charts[k] = Chart{Name: k, Version: "1.0.0", Path: "charts/" + k + "-1.0.0.tgz"}
	}
	for _, k := range BinaryKeys {
		s.Binaries[k] = Binary{Path: "bin/" + k, Version: "1"}
	}
	return s
}

// writeKit lays out a kit with every file that the set names.
func writeKit(t *testing.T, s *Set) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range s.Files() {
		path := filepath.Join(dir, f)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(f), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, File), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestLoadReadsWhatWasWritten(t *testing.T) {
	want := kitSet()
	dir := writeKit(t, want)
	got, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Set{})); diff != "" {
		t.Errorf("set differs (-want +got):\n%s", diff)
	}
	path, err := got.BinaryPath("kubectl")
	if err != nil || path != filepath.Join(dir, "bin", "kubectl") {
		t.Errorf("BinaryPath = %q, %v", path, err)
	}
	if _, err := got.BinaryPath("no-such"); err == nil {
		t.Error("BinaryPath of an unknown executable succeeded")
	}
}

func TestLoadRefuses(t *testing.T) {
	tests := map[string]struct {
		breakIt func(t *testing.T, dir string)
		noKit   bool
		says    string
	}{
		"no kit": {
			breakIt: func(t *testing.T, dir string) { remove(t, dir, File) },
			noKit:   true, says: "no airgap kit",
		},
		"damaged": {
			breakIt: func(t *testing.T, dir string) { write(t, dir, File, "{") }, says: "damaged",
		},
		"other format": {
			breakIt: func(t *testing.T, dir string) { write(t, dir, File, `{"version": 99}`) }, says: "format 99",
		},
		"no node image": {
			breakIt: func(t *testing.T, dir string) { write(t, dir, File, `{"version": 1, "source": "airgap"}`) },
			says:    "no node image",
		},
		"file gone": {
			breakIt: func(t *testing.T, dir string) { remove(t, dir, "bin/kubectl") }, says: "bin/kubectl",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			dir := writeKit(t, kitSet())
			tc.breakIt(t, dir)
			_, err := Load(dir)
			if err == nil {
				t.Fatal("Load succeeded")
			}
			if errors.Is(err, ErrNoKit) != tc.noKit {
				t.Errorf("errors.Is(err, ErrNoKit) = %v: %v", !tc.noKit, err)
			}
			for _, part := range []string{tc.says, "meshwright airgap build"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
		})
	}
}

func TestRegistryIsComplete(t *testing.T) {
	s := Registry()
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	for role, image := range s.Images {
		if strings.HasSuffix(image.Name, ":latest") || !strings.Contains(image.Name, ":") {
			t.Errorf("%s: %s is not an exact version", role, image.Name)
		}
	}
}

// TestRegistryNamesKnownPublishers: no image and no chart comes from a place whose source
// nobody has read.
func TestRegistryNamesKnownPublishers(t *testing.T) {
	s := Registry()
	addresses := []string{s.NodeImage.Name}
	for _, i := range s.Images {
		addresses = append(addresses, i.Name)
	}
	for _, c := range s.Charts {
		addresses = append(addresses, c.Repo)
	}
	used := map[string]bool{}
	for _, address := range addresses {
		known := false
		for _, p := range Publishers() {
			if strings.HasPrefix(address, p.Publishes) {
				known, used[p.Publishes] = true, true
			}
		}
		if !known {
			t.Errorf("%s: its publisher is not in Publishers", address)
		}
	}
	for _, p := range Publishers() {
		if !used[p.Publishes] || p.Source == "" {
			t.Errorf("%+v: nothing of the set comes from it, or it has no source", p)
		}
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
