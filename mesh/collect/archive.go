package collect

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// FormatVersion is the version of the archive's index.
const FormatVersion = 1

// Index is the archive's first file in spirit and its last in place:
// index.json.
type Index struct {
	Version  int               `json:"version"`
	Created  time.Time         `json:"created"`
	Seconds  float64           `json:"seconds"`
	Clusters []string          `json:"clusters"`
	Versions map[string]string `json:"versions,omitempty"`
	Files    []Entry           `json:"files"`
	// Missing says what could not be had, and why.
	Missing []Missing `json:"missing,omitempty"`
}

// Entry is one file of the archive.
type Entry struct {
	Name  string `json:"name"`
	Bytes int    `json:"bytes"`
}

// Missing is something that could not be collected.
type Missing struct {
	Name  string `json:"name"`
	Error string `json:"error"`
}

// archive writes redacted files into a tar.gz; it is safe for concurrent use.
type archive struct {
	redactor *Redactor
	root     string // directory inside the archive

	mu    sync.Mutex
	file  *os.File
	gz    *gzip.Writer
	tar   *tar.Writer
	index Index
	err   error // of the first write that failed
}

// create opens an archive beside its final name; close puts it there.
func create(name string, r *Redactor) (*archive, error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".collect-*") // 0600
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	gz := gzip.NewWriter(f)
	return &archive{
		redactor: r, root: "meshwright-collect", file: f, gz: gz, tar: tar.NewWriter(gz),
		index: Index{Version: FormatVersion, Created: time.Now().UTC(), Files: []Entry{}},
	}, nil
}

// add redacts and writes one file.
func (a *archive) add(name string, content []byte) {
	content = a.redactor.Redact(content)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return
	}
	a.index.Files = append(a.index.Files, Entry{Name: name, Bytes: len(content)})
	a.err = a.write(name, content)
}

func (a *archive) write(name string, content []byte) error {
	err := a.tar.WriteHeader(&tar.Header{
		Name: path.Join(a.root, name), Mode: 0o600, Size: int64(len(content)), ModTime: a.index.Created, Typeflag: tar.TypeReg,
	})
	if err != nil {
		return err
	}
	_, err = a.tar.Write(content)
	return err
}

// missing records what could not be had. Errors may quote what they choked on,
// so they are redacted too.
func (a *archive) missing(name string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.index.Missing = append(a.index.Missing, Missing{Name: name, Error: string(a.redactor.Redact([]byte(err.Error())))})
}

// close writes the index and moves the archive to its name.
func (a *archive) close(name string) (err error) {
	defer func() {
		if err != nil {
			os.Remove(a.file.Name()) //nolint:errcheck // the error that led here is the one to report
			err = fmt.Errorf("archive %s: %w", name, err)
		}
	}()
	slices.SortFunc(a.index.Files, func(x, y Entry) int { return cmp.Compare(x.Name, y.Name) })
	slices.SortFunc(a.index.Missing, func(x, y Missing) int { return cmp.Compare(x.Name, y.Name) })
	a.index.Seconds = time.Since(a.index.Created).Round(time.Millisecond).Seconds()
	text, err := json.MarshalIndent(a.index, "", "  ")
	if err != nil {
		return err
	}
	if a.err == nil {
		a.err = a.write("index.json", a.redactor.Redact(text))
	}
	for _, c := range []io.Closer{a.tar, a.gz, a.file} {
		if cerr := c.Close(); a.err == nil {
			a.err = cerr
		}
	}
	if a.err != nil {
		return a.err
	}
	return os.Rename(a.file.Name(), name)
}

// abandon removes what was written.
func (a *archive) abandon() {
	a.file.Close()           //nolint:errcheck // it is thrown away
	os.Remove(a.file.Name()) //nolint:errcheck // nothing can be done about it
}
