package revision

import (
	"debug/buildinfo"
	"os"
	"path/filepath"
	"testing"
)

// TestBuildsAsMakeDoes: with other flags the compiler's cache would have nothing of
// what `make build` left there, and minutes would pass.
func TestBuildsAsMakeDoes(t *testing.T) {
	t.Setenv("GOFLAGS", "")
	t.Setenv("CGO_ENABLED", "")
	root := filepath.Join(t.TempDir(), "checkout")
	for name, text := range map[string]string{"go.mod": "module example.com/program\n\ngo 1.26\n", "main.go": "package main\n\nfunc main() {}\n"} {
		if err := os.MkdirAll(root, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path, err := Build(t.Context(), root, root, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, s := range info.Settings {
		got[s.Key] = s.Value
	}
	if got["-trimpath"] != "true" || got["CGO_ENABLED"] != "0" {
		t.Errorf("built with %v", got)
	}
}
