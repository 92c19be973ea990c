package traffic

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/meshwright/meshwright/load"
	"github.com/meshwright/meshwright/load/call"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/report"
)

// FormatVersion is the version of the summary's JSON.
const FormatVersion = 1

// Summary counts the answers so far.
type Summary struct {
	Version  int       `json:"version"`
	From     string    `json:"from"`
	Via      string    `json:"via"`
	URL      string    `json:"url"`
	Started  time.Time `json:"started"`
	Seconds  float64   `json:"seconds"`
	Requests int       `json:"requests"`
	Errors   int       `json:"errors"`
	Rows     []Row     `json:"rows"` // by version and cluster
	// LastError is the text of the latest request that failed.
	LastError string `json:"lastError,omitempty"`

	// Latencies of the answers, in milliseconds; of at most the last
	// maxLatencies of them.
	P50 float64 `json:"p50Milliseconds"`
	P99 float64 `json:"p99Milliseconds"`

	regions map[string]string
	took    []float64 // in milliseconds
	next    int
}

// Row counts the answers of one version in one cluster.
type Row struct {
	Version string  `json:"version"`
	Cluster string  `json:"cluster,omitempty"` // "" when it could not be found out
	Region  string  `json:"region,omitempty"`
	Answers int     `json:"answers"`
	Share   float64 `json:"share"` // of all answers, 0 to 1
}

// maxLatencies bounds what an endless run remembers.
const maxLatencies = 10_000

func newSummary(from *mesh.Cluster, o Options) *Summary {
	s := &Summary{Version: FormatVersion, From: o.From, Via: o.Via, Started: time.Now(), Rows: []Row{}, regions: map[string]string{}}
	s.URL = o.Workload.URL()
	if o.Via == ViaIngress {
		s.URL = "http://" + from.IngressAddress + o.Workload.Path
	}
	for _, t := range o.Targets {
		s.regions[t.Name] = t.Region
	}
	return s
}

func (s *Summary) add(r call.Record, cluster string) {
	s.Requests++
	s.Seconds = time.Since(s.Started).Seconds()
	if !r.OK() {
		s.Errors++
		s.LastError = r.String()
		return
	}
	if len(s.took) < maxLatencies {
		s.took = append(s.took, load.Milliseconds(r.Took))
	} else {
		s.took[s.next%maxLatencies] = load.Milliseconds(r.Took)
		s.next++
	}
	i := slices.IndexFunc(s.Rows, func(row Row) bool { return row.Version == r.Version && row.Cluster == cluster })
	if i < 0 {
		s.Rows = append(s.Rows, Row{Version: r.Version, Cluster: cluster, Region: s.regions[cluster], Answers: 1})
		slices.SortFunc(s.Rows, func(a, b Row) int {
			return cmp.Or(cmp.Compare(a.Version, b.Version), cmp.Compare(a.Cluster, b.Cluster))
		})
	} else {
		s.Rows[i].Answers++
	}
	for i := range s.Rows {
		s.Rows[i].Share = float64(s.Rows[i].Answers) / float64(s.Requests-s.Errors)
	}
}

// end computes what needs all records.
func (s *Summary) end() {
	s.Seconds = time.Since(s.Started).Seconds()
	s.P50, s.P99 = load.Quantile(s.took, 0.50), load.Quantile(s.took, 0.99)
}

// Line is the summary on one line, as it is shown live.
func (s *Summary) Line() string {
	parts := make([]string, 0, len(s.Rows)+2)
	for _, r := range s.Rows {
		parts = append(parts, fmt.Sprintf("%s %s %d (%.0f%%)", r.Version, r.place(), r.Answers, 100*r.Share))
	}
	parts = append(parts, fmt.Sprintf("errors %d", s.Errors))
	if s.Seconds > 0 {
		parts = append(parts, fmt.Sprintf("%.1f/s", float64(s.Requests)/s.Seconds))
	}
	return strings.Join(parts, "  ")
}

func (r Row) place() string {
	switch {
	case r.Cluster == "":
		return "?"
	case r.Region == "":
		return r.Cluster
	}
	return r.Cluster + "/" + r.Region
}

// Table writes the summary for a person.
func (s *Summary) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "VERSION\tCLUSTER\tREGION\tANSWERS\tSHARE")
	for _, r := range s.Rows {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%.1f%%\n", r.Version, cmp.Or(r.Cluster, "?"), cmp.Or(r.Region, "-"), r.Answers, 100*r.Share)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%d requests from %s via %s to %s in %.1fs, %d errors, p50 %.1f ms, p99 %.1f ms\n",
		s.Requests, s.From, s.Via, s.URL, s.Seconds, s.Errors, s.P50, s.P99)
	if err == nil && s.LastError != "" {
		_, err = fmt.Fprintf(w, "last error: %s\n", s.LastError)
	}
	return err
}

// JSON writes the summary as one indented document.
func (s *Summary) JSON(w io.Writer) error { return report.JSON(w, s) }
