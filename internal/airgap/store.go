package airgap

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// store keeps results by step and key below one directory:
//
//	steps/<name>-<key>/     a finished result and its record
//	work/                   steps that run; emptied at the start of every build
//	logs/<name>.log         the last run of each step
type store struct{ root string }

const recordFile = ".step.json"

// record is written last into a result, so that a result without one is unfinished.
type record struct {
	Step     string           `json:"step"`
	Key      string           `json:"key"`
	Seconds  float64          `json:"seconds"`
	Finished time.Time        `json:"finished"`
	Files    map[string]int64 `json:"files"` // path inside the result -> size in bytes; -1 for a symbolic link
}

// size is the sum over the result's files, in bytes.
func (r *record) size() int64 {
	var n int64
	for _, s := range r.Files {
		n += max(s, 0)
	}
	return n
}

func (s store) stepDir(name, key string) string {
	return filepath.Join(s.root, "steps", name+"-"+shortKey(key))
}

func (s store) logPath(name string) string { return filepath.Join(s.root, "logs", name+".log") }

// hasOther reports whether results of the step are stored under any key.
func (s store) hasOther(name string) bool {
	entries, err := os.ReadDir(filepath.Join(s.root, "steps"))
	if err != nil {
		return false
	}
	for _, e := range entries {
		if at := strings.LastIndex(e.Name(), "-"); at > 0 && e.Name()[:at] == name {
			return true
		}
	}
	return false
}

// errIncomplete means that a stored result lacks a file or has one of another size.
var errIncomplete = errors.New("stored result is incomplete")

// lookup returns the record of a finished result. The error wraps fs.ErrNotExist
// when there is none and errIncomplete when a file is missing or changed size;
// contents are not read, so that looking everything up costs milliseconds.
func (s store) lookup(name, key string) (*record, error) {
	dir := s.stepDir(name, key)
	data, err := os.ReadFile(filepath.Join(dir, recordFile)) //nolint:gosec // below our own cache
	if err != nil {
		return nil, err
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", errIncomplete, recordFile, err)
	}
	if r.Key != key {
		return nil, fmt.Errorf("%w: it belongs to key %s", errIncomplete, r.Key)
	}
	for path, size := range r.Files {
		info, err := os.Lstat(filepath.Join(dir, path))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errIncomplete, err)
		}
		if size >= 0 && info.Size() != size {
			return nil, fmt.Errorf("%w: %s has %d bytes, not %d", errIncomplete, path, info.Size(), size)
		}
	}
	return &r, nil
}

// commit records the files below dir and moves it to its final place in one rename.
func (s store) commit(dir string, r record) (*record, error) {
	r.Files = map[string]int64{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		r.Files[rel] = info.Size()
		if !info.Mode().IsRegular() {
			r.Files[rel] = -1
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, recordFile), append(data, '\n'), 0o644); err != nil { //nolint:gosec // holds no secret
		return nil, err
	}
	final := s.stepDir(r.Step, r.Key)
	if err := os.MkdirAll(filepath.Dir(final), 0o755); err != nil { //nolint:gosec // the cache holds no secret
		return nil, err
	}
	// A damaged result may be in the way.
	if err := os.RemoveAll(final); err != nil {
		return nil, err
	}
	if err := os.Rename(dir, final); err != nil {
		return nil, err
	}
	return &r, nil
}

// workDir makes an empty directory for an unfinished result.
func (s store) workDir(name string) (string, error) {
	work := filepath.Join(s.root, "work")
	if err := os.MkdirAll(work, 0o755); err != nil { //nolint:gosec // the cache holds no secret
		return "", err
	}
	dir, err := os.MkdirTemp(work, name+"-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755) //nolint:gosec // becomes a result that other users may read
}

// sweep removes what interrupted builds left behind. Only the holder of the
// build lock may call it.
func (s store) sweep() error { return os.RemoveAll(filepath.Join(s.root, "work")) }

// prune removes the results of no step in use that are older than age. Clones of
// different versions share the cache, hence the age.
func (s store) prune(inUse map[string]string, age time.Duration) error {
	keep := map[string]bool{}
	for name, key := range inUse {
		keep[filepath.Base(s.stepDir(name, key))] = true
	}
	dir := filepath.Join(s.root, "steps")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || keep[e.Name()] || time.Since(info.ModTime()) < age {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// tail returns the last n lines of a file.
func tail(path string, n int) string {
	data, err := os.ReadFile(path) //nolint:gosec // our own log
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}
