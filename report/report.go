package report

import (
	"io"
	"slices"
	"time"

	"github.com/meshwright/meshwright/mesh/topology"
)

// FormatVersion is the version of the report's JSON. It grows when a field
// changes its meaning or goes away, not when one is added.
const FormatVersion = 2

// Verdict sums a report up.
type Verdict = string

// The verdicts.
const (
	Pass    Verdict = "pass"    // every required check passed
	Fail    Verdict = "fail"    // a check failed
	Partial Verdict = "partial" // nothing failed, but a required check was skipped
)

// Status is the outcome of one check.
type Status string

// The outcomes. Warn is a pass with something to look at.
const (
	Passed  Status = "pass"
	Failed  Status = "fail"
	Warned  Status = "warn"
	Skipped Status = "skip"
)

// Reason is a machine-readable cause. Reasons are part of the format: a name
// never gets another meaning.
type Reason string

// ReasonNotSelected is the reason of a check that the caller left out.
const ReasonNotSelected Reason = "NotSelected"

// Report is the result of a run. All renderers draw from it.
type Report struct {
	Version  int                `json:"version"` // FormatVersion
	Verdict  Verdict            `json:"verdict"`
	MeshID   string             `json:"meshID,omitempty"`
	Clusters []topology.Cluster `json:"clusters"`
	Started  time.Time          `json:"started"`
	Seconds  float64            `json:"seconds"`
	Checks   []Result           `json:"checks"`
}

// Result is the outcome of one check.
type Result struct {
	ID       string `json:"id"`
	Title    string `json:"title"`
	Proves   string `json:"proves"`
	Required bool   `json:"required"`

	Status  Status `json:"status"`
	Reason  Reason `json:"reason,omitempty"` // of a failure, warning or skip: the most causal of the findings
	Summary string `json:"summary"`          // one line
	Remedy  Remedy `json:"remedy,omitzero"`  // of a failure or warning

	Findings []Finding  `json:"findings,omitempty"`
	Evidence []Evidence `json:"evidence,omitempty"`
	Data     any        `json:"data,omitempty"` // what was measured; its shape depends on the check

	Attempts int `json:"attempts"`
	// Retried says why the attempts before the last one failed, latest last.
	Retried  []string  `json:"retried,omitempty"`
	Started  time.Time `json:"started"`
	Seconds  float64   `json:"seconds"`
	Deadline float64   `json:"deadlineSeconds"` // how long the check would have been tried
}

// Judge derives the verdict from the results.
func (r *Report) Judge() {
	r.Verdict = Pass
	for _, c := range r.Checks {
		switch {
		case c.Status == Failed:
			r.Verdict = Fail
			return
		case c.Status == Skipped && c.Required:
			r.Verdict = Partial
		}
	}
}

// Proven reports whether every check that was asked for passed. Unlike the verdict it
// ignores what the caller left out; a chosen check that did not apply to the mesh
// proves nothing.
func (r *Report) Proven() bool {
	return !slices.ContainsFunc(r.Checks, func(c Result) bool {
		return c.Status == Failed || c.Status == Skipped && c.Reason != ReasonNotSelected
	})
}

// Check returns the result of the check of that id, or nil.
func (r *Report) Check(id string) *Result {
	for i := range r.Checks {
		if r.Checks[i].ID == id {
			return &r.Checks[i]
		}
	}
	return nil
}

// JSON writes the report as one indented document.
func (r *Report) JSON(w io.Writer) error { return JSON(w, r) }
