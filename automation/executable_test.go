package automation

import (
	"os"
	"path/filepath"
	"testing"
)

// TestFindExecutable: only a meshwright command of this version is ever started
// as a child, and never the program that embeds the driver.
func TestFindExecutable(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := func(text string) func(string) error {
		return func(path string) error { return os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755) }
	}
	const fits = `[ "$1 $2" = "__kind --format" ] && echo 1`
	for name, tc := range map[string]struct {
		onPath, inKit func(path string) error
		want          string // "path", "kit" or ""
	}{
		"none":                 {},
		"on PATH":              {onPath: script(fits), inKit: script(fits), want: "path"},
		"in the kit":           {inKit: script(fits), want: "kit"},
		"another version":      {onPath: script("echo 99"), inKit: script(fits), want: "kit"},
		"something else":       {onPath: script("exit 1")},
		"the embedder's own":   {onPath: func(path string) error { return os.Symlink(self, path) }},
		"a directory, no file": {inKit: func(path string) error { return os.Mkdir(path, 0o755) }},
		"not to be executed":   {inKit: func(path string) error { return os.WriteFile(path, []byte(fits), 0o600) }},
	} {
		t.Run(name, func(t *testing.T) {
			bin, kit := t.TempDir(), t.TempDir()
			paths := map[string]string{"": "", "path": filepath.Join(bin, "meshwright"), "kit": filepath.Join(kit, "bin", "meshwright")}
			if err := os.Mkdir(filepath.Join(kit, "bin"), 0o755); err != nil {
				t.Fatal(err)
			}
			for where, make := range map[string]func(string) error{"path": tc.onPath, "kit": tc.inKit} {
				if make == nil {
					continue
				}
				if err := make(paths[where]); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("PATH", bin)
			if got := findExecutable(t.Context(), kit); got != paths[tc.want] {
				t.Errorf("%q, want %q", got, paths[tc.want])
			}
		})
	}
}
