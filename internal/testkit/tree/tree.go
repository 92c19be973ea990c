// Package tree reads directories, for tests that compare them or look for something in
// every file.
package tree

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Read returns the contents of all regular files below dir, by relative path.
func Read(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		files[rel] = string(data)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return files
}
