package airgap

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"

	"helm.sh/helm/v3/pkg/chart/loader"
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

var chartVersionLine = regexp.MustCompile(`(?m)^(version|appVersion):[ \t]*"?([^"\s]+)"?[ \t]*$`)

// packChart writes the chart in dir, as Helm loads it, to <out>/<name>-<version>.tgz.
func packChart(dir, version, out string) (err error) {
	chart, err := loader.LoadDir(dir)
	if err != nil {
		return err
	}
	name := chart.Metadata.Name
	if name == "" || chart.Metadata.Version == "" {
		return errors.New("Chart.yaml has no name or version") //nolint:revive,staticcheck // a file's name
	}
	f, err := os.Create(filepath.Join(out, name+"-"+cmp.Or(version, chart.Metadata.Version)+".tgz")) //nolint:gosec // our own cache
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	zipped, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	w := tar.NewWriter(zipped)
	for _, file := range chart.Raw {
		if file.Name == "Chart.yaml" && version != "" {
			file.Data = chartVersionLine.ReplaceAll(file.Data, []byte("$1: "+version))
		}
		h := &tar.Header{Name: path.Join(name, file.Name), Mode: 0o644, Size: int64(len(file.Data)), ModTime: epoch, Format: tar.FormatPAX}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := w.Write(file.Data); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), zipped.Close())
}
