package airgap

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// fileDigest returns the SHA-256 of a file in hex, and its size in bytes.
func fileDigest(path string) (string, int64, error) {
	f, err := os.Open(path) //nolint:gosec // our own cache
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), n, err
}

// writeFiles writes files, by path below dir, with the mode that a path gets.
func writeFiles(dir string, files map[string][]byte, mode func(path string) os.FileMode) error {
	for name, data := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // public files
			return err
		}
		if err := os.WriteFile(file, data, mode(name)); err != nil {
			return err
		}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// copyTree copies a file or a directory. The copy of a read-only file, as a module
// cache has them, is writable.
func copyTree(from, to string) error {
	if info, err := os.Stat(from); err == nil && info.IsDir() {
		return os.CopyFS(to, os.DirFS(from))
	}
	return copyFile(from, to)
}

// copyFile copies one file with its executable bit.
func copyFile(from, to string) (err error) {
	in, err := os.Open(from) //nolint:gosec // our own cache or a module's file
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil { //nolint:gosec // public files
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644|info.Mode()&0o111) //nolint:gosec // our own cache
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}

// linkOrCopy puts a file at a second path, replacing what is there in one step,
// and without using more disk where the file system allows it.
func linkOrCopy(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil { //nolint:gosec // public files
		return err
	}
	if a, err := os.Stat(from); err == nil {
		if b, err := os.Stat(to); err == nil && os.SameFile(a, b) {
			return nil
		}
	}
	next := to + ".new"
	if err := os.RemoveAll(next); err != nil {
		return err
	}
	if os.Link(from, next) != nil {
		if err := copyFile(from, next); err != nil {
			return err
		}
	}
	return os.Rename(next, to)
}
