package matrix

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/meshwright/meshwright/fault"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/verify"
)

// Options choose how the matrix is played.
type Options struct {
	Targets  []mesh.Cluster
	Workload mesh.Workload
	Only     []string // names of faults; empty for all
	// NodeExec is the capability Nodes; without it the faults that need it are skipped.
	NodeExec fault.NodeExec
	// Progress hears of every step; may be nil.
	Progress func(fault, step string)
}

// Row is one fault, played.
type Row struct {
	Fault    string             `json:"fault"`
	Title    string             `json:"title"`
	Skipped  string             `json:"skipped,omitempty"` // why it was not played
	Want     map[string]Outcome `json:"want"`
	Got      map[string]Outcome `json:"got"`
	Inject   float64            `json:"injectSeconds"`
	Seen     float64            `json:"seenSeconds"`    // from the injection's end until every check said what is declared
	Restore  float64            `json:"restoreSeconds"` // the restore itself
	Green    float64            `json:"greenSeconds"`   // from its end until all was green
	Error    string             `json:"error,omitempty"`
	LastSeen *verify.Report     `json:"lastSeen,omitempty"` // of a row that failed
}

// Bounds of the waits. A fault needs time to travel: istiod pushes within a
// second, but a proxy that lost its control plane tries again after up to 30 s.
const (
	seenWithin    = 90 * time.Second
	greenWithin   = 120 * time.Second
	restoreWithin = 5 * time.Minute
)

// Run plays faults one after another and returns a row for each. An error
// means that the mesh could not be restored, or was not green to begin with; a row
// that did not go as declared is in the rows.
func Run(ctx context.Context, o Options) ([]Row, error) {
	subject, done, err := o.open()
	defer done()
	if err != nil {
		return nil, err
	}
	o.Progress("", "the mesh must be green before it is broken")
	if _, report, err := await(ctx, o, nil, greenWithin); err != nil {
		return nil, fmt.Errorf("the mesh is not green to begin with: %w; %s", err, summary(report))
	}
	var rows []Row
	for _, f := range Faults() {
		if !o.wants(f.Name) {
			continue
		}
		row, err := play(ctx, o, subject, f)
		rows = append(rows, row)
		if err != nil {
			return rows, fmt.Errorf("fault %s: %w", f.Name, err)
		}
	}
	return rows, nil
}

// open fills in what was left out and connects to the clusters.
func (o *Options) open() (*fault.Subject, func(), error) {
	if o.Progress == nil {
		o.Progress = func(string, string) {}
	}
	members, done, err := mesh.Connect(o.Targets)
	return &fault.Subject{Members: members, Workload: o.Workload, NodeExec: o.NodeExec}, done, err
}

func (o *Options) wants(fault string) bool {
	return len(o.Only) == 0 || slices.Contains(o.Only, fault)
}

// play injects one fault, looks, restores and looks again. The error is one
// that forbids going on.
func play(ctx context.Context, o Options, s *fault.Subject, f fault.Fault) (Row, error) {
	row := Row{Fault: f.Name, Title: f.Title, Want: wants[f.Name]}
	if why := f.Lacks(s); why != "" {
		row.Skipped = why
		o.Progress(f.Name, "skipped: "+why)
		return row, nil
	}
	look := func() {
		got, report, err := await(ctx, o, row.Want, seenWithin)
		row.Got = got
		if err != nil {
			row.Error, row.LastSeen = err.Error(), report
		}
	}
	green := func() error {
		o.Progress(f.Name, "green again")
		_, report, err := await(ctx, o, nil, greenWithin)
		if err != nil {
			row.LastSeen = report
			return fmt.Errorf("not green after the restore: %w; %s", err, summary(report))
		}
		return nil
	}
	err := o.through(ctx, &row, f, s, look, green)
	return row, err
}

// through takes the mesh through a row's fault and notes how long each part took. The
// error is one that forbids going on.
func (o *Options) through(ctx context.Context, row *Row, f fault.Fault, s *fault.Subject, look func(), green func() error) error {
	o.Progress(row.Fault, "inject")
	began := time.Now()
	record, err := f.Prepare(ctx, s)
	if err != nil {
		row.Error = fmt.Sprintf("prepare: %v", err)
		return nil
	}
	if err := f.Inject(ctx, s, record); err != nil {
		row.Error = fmt.Sprintf("inject: %v", err)
	}
	row.Inject = time.Since(began).Seconds()
	if row.Error == "" {
		row.Seen = o.watch(row, look)
	}
	// Whatever happened, the mesh is restored: also after Ctrl-C.
	o.Progress(row.Fault, "restore")
	began = time.Now()
	fresh, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreWithin)
	defer cancel()
	err = f.Restore(fresh, s, record)
	row.Restore = time.Since(began).Seconds()
	if err != nil {
		return fmt.Errorf("restore: %w; bring the lab up with --refresh, or destroy it", err)
	}
	began = time.Now()
	err = green()
	row.Green = time.Since(began).Seconds()
	return err
}

// watch looks, and returns how many seconds it took.
func (o *Options) watch(row *Row, look func()) float64 {
	o.Progress(row.Fault, "look")
	began := time.Now()
	look()
	return time.Since(began).Seconds()
}

// timeouts of a look: one attempt is enough, since looks are repeated.
var timeouts = verify.Timeouts{Evidence: 2 * time.Second}

// await looks until two looks in a row say what is wanted (nil: all green).
func await(ctx context.Context, o Options, wanted map[string]Outcome, within time.Duration) (map[string]Outcome, *verify.Report, error) {
	if wanted == nil {
		wanted = want(nil)
	}
	var got map[string]Outcome
	var last *verify.Report
	agreed := 0
	for deadline := time.Now().Add(within); time.Now().Before(deadline); {
		report, err := verify.Run(ctx, verify.Options{Targets: o.Targets, Workload: o.Workload, Once: true, Timeouts: timeouts})
		if err != nil {
			return got, last, err
		}
		got, last = outcomes(report), report
		if maps.Equal(got, wanted) {
			if agreed++; agreed == 2 {
				return got, report, nil
			}
			continue
		}
		agreed = 0
		select {
		case <-ctx.Done():
			return got, last, context.Cause(ctx)
		case <-time.After(300 * time.Millisecond):
		}
	}
	return got, last, errors.New("after " + within.String() + ": " + difference(wanted, got))
}

func outcomes(r *verify.Report) map[string]Outcome {
	out := map[string]Outcome{}
	for _, c := range r.Checks {
		out[c.ID] = Outcome{Status: c.Status, Reason: c.Reason}
	}
	return out
}

// difference tells where two rows differ, in the order of the checks.
func difference(wanted, got map[string]Outcome) string {
	var parts []string
	for _, id := range verify.IDs() {
		if w, g := wanted[id], got[id]; w != g {
			parts = append(parts, fmt.Sprintf("%s is %s, want %s", id, g, w))
		}
	}
	return strings.Join(parts, "; ")
}

func summary(r *verify.Report) string {
	if r == nil {
		return "no report"
	}
	var parts []string
	for _, c := range r.Checks {
		if c.Status == verify.Failed {
			parts = append(parts, c.ID+": "+c.Summary)
		}
	}
	return strings.Join(parts, "; ")
}
