package verify

import (
	"github.com/meshwright/meshwright/mesh/topology"

	"encoding/json"
	"io"
	"slices"
	"time"

	"github.com/meshwright/meshwright/mesh"
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

func clustersOf(targets []mesh.Cluster) []topology.Cluster {
	var out []topology.Cluster
	for _, t := range targets {
		out = append(out, t.Cluster)
	}
	return out
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
	Remedy  Remedy `json:"remedy,omitzero"`  // of the reason

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

// Finding is one thing that is wrong.
type Finding struct {
	Reason  Reason `json:"reason"`
	Cluster string `json:"cluster,omitempty"`
	Object  string `json:"object,omitempty"` // "deployment istio-system/istiod"
	Message string `json:"message"`
	Warning bool   `json:"warning,omitempty"` // worth a look, but no failure

	evidence []gather // what proves it, to be collected when it is reported
}

// Evidence is what a failure was seen by.
type Evidence struct {
	Title   string `json:"title"`
	Cluster string `json:"cluster,omitempty"`
	Kind    string `json:"kind"` // EvidenceObject, EvidenceConfig, EvidenceRequests or EvidenceLog
	Content string `json:"content"`
}

// The kinds of evidence.
const (
	EvidenceObject   = "object"   // a Kubernetes object's status
	EvidenceConfig   = "config"   // an excerpt of a proxy's or istiod's state
	EvidenceRequests = "requests" // the end of a request log
	EvidenceLog      = "log"      // the end of a pod's log
)

// verdict derives the verdict of a list of results.
func verdict(results []Result) Verdict {
	out := Pass
	for _, r := range results {
		switch {
		case r.Status == Failed:
			return Fail
		case r.Status == Skipped && r.Required:
			out = Partial
		}
	}
	return out
}

// Proven reports whether every check that was asked for passed. Unlike the verdict it
// leaves out of account what Options.Only left out; a chosen check that did not apply
// to the mesh proves nothing.
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
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
