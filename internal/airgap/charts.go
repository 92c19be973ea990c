package airgap

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// charts packs Helm charts, each as <name>-<version>.tgz. The same chart gives
// the same bytes, which Helm's own packaging does not: it writes the time of day.
type charts struct {
	From string // the step whose result has one directory per chart
	// Version replaces the charts' own version and appVersion when set: a
	// module's charts carry a placeholder that a release fills in.
	Version string   `json:",omitempty"`
	Names   []string // directories in From
}

func (c charts) Inputs() any { return c }

func (c charts) revision() int { return 2 }

func (c charts) Run(_ context.Context, r *Run) error {
	for _, name := range c.Names {
		if err := packChart(r.Result(c.From, name), c.Version, r.Dir); err != nil {
			return fmt.Errorf("pack chart %s: %w", name, err)
		}
	}
	return nil
}

var (
	chartNameLine    = regexp.MustCompile(`(?m)^name:[ \t]*"?([^"\s]+)"?[ \t]*$`)
	chartVersionLine = regexp.MustCompile(`(?m)^(version|appVersion):[ \t]*"?([^"\s]+)"?[ \t]*$`)
)

// packChart writes the chart in dir to <out>/<name>-<version>.tgz.
func packChart(dir, version, out string) (err error) {
	meta, err := os.ReadFile(filepath.Join(dir, "Chart.yaml")) //nolint:gosec // our own cache
	if err != nil {
		return err
	}
	if version != "" {
		meta = chartVersionLine.ReplaceAll(meta, []byte("$1: "+version))
	}
	name := chartNameLine.FindSubmatch(meta)
	versions := chartVersionLine.FindAllSubmatch(meta, -1)
	if name == nil || len(versions) == 0 {
		return errors.New("Chart.yaml names no name or version") //nolint:revive,staticcheck // a file's name
	}
	for _, v := range versions {
		if string(v[1]) == "version" {
			version = string(v[2])
		}
	}
	ignored, err := helmIgnore(dir)
	if err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(out, fmt.Sprintf("%s-%s.tgz", name[1], version))) //nolint:gosec // our own cache
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	zipped, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	w := tar.NewWriter(zipped)
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if rel != "." && ignored(rel) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			return nil
		}
		data, err := os.ReadFile(p) //nolint:gosec // our own cache
		if err != nil {
			return err
		}
		if rel == "Chart.yaml" {
			data = meta
		}
		h := &tar.Header{Name: path.Join(string(name[1]), rel), Mode: 0o644, Size: int64(len(data)), ModTime: epoch, Format: tar.FormatPAX}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
	return errors.Join(err, w.Close(), zipped.Close())
}

// helmIgnore reads a chart's .helmignore: one pattern a line, matched against a
// path's last element, or against the whole path when it holds a slash. Negated
// patterns, which the charts in use do not have, are an error.
func helmIgnore(dir string) (func(rel string) bool, error) {
	data, err := os.ReadFile(filepath.Join(dir, ".helmignore")) //nolint:gosec // our own cache
	if errors.Is(err, fs.ErrNotExist) {
		return func(string) bool { return false }, nil
	}
	if err != nil {
		return nil, err
	}
	var patterns []string
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		p := strings.TrimSpace(lines.Text())
		if p == "" || strings.HasPrefix(p, "#") {
			continue
		}
		if strings.HasPrefix(p, "!") {
			return nil, fmt.Errorf(".helmignore: negated pattern %q", p)
		}
		patterns = append(patterns, strings.TrimSuffix(p, "/"))
	}
	return func(rel string) bool {
		for _, p := range patterns {
			subject := path.Base(rel)
			if strings.Contains(p, "/") {
				subject = rel
			}
			if ok, err := path.Match(strings.TrimPrefix(p, "/"), subject); err == nil && ok {
				return true
			}
		}
		return false
	}, nil
}
