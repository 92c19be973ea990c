package airgap

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
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

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// copyTree copies a file or a directory. Modes are normalised to 0755 and 0644:
// a module cache is read-only, which a copy must not be.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(target, 0o755) //nolint:gosec // public files
		}
		return copyFile(path, target, 0)
	})
}

// copyFile copies one file; a mode of 0 keeps the source's executable bit.
func copyFile(from, to string, mode fs.FileMode) (err error) {
	in, err := os.Open(from) //nolint:gosec // our own cache or a module's file
	if err != nil {
		return err
	}
	defer in.Close()
	if mode == 0 {
		info, err := in.Stat()
		if err != nil {
			return err
		}
		mode = 0o644 | info.Mode()&0o111
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil { //nolint:gosec // public files
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode) //nolint:gosec // our own cache
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
		if err := copyFile(from, next, 0); err != nil {
			return err
		}
	}
	return os.Rename(next, to)
}
