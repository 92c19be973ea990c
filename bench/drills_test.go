package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/meshwright/meshwright/automation/verify"
)

// TestComplete refuses figures that are fewer, or worth less, than planned.
func TestComplete(t *testing.T) {
	good := func() *verify.DrillReport {
		return &verify.DrillReport{
			Requests: 1000, Repeat: 2,
			Rules: []verify.DrillSummary{{Rule: "zero-loss", Runs: 2}},
			Runs:  []verify.DrillRun{{Rule: "zero-loss"}, {Rule: "zero-loss"}},
		}
	}
	if err := complete(good()); err != nil {
		t.Errorf("a good drill: %v", err)
	}
	for name, spoil := range map[string]func(*verify.DrillReport){
		"nothing":          func(r *verify.DrillReport) { *r = verify.DrillReport{} },
		"a run too few":    func(r *verify.DrillReport) { r.Rules[0].Runs = 1 },
		"a record missing": func(r *verify.DrillReport) { r.Runs[1].Findings = []verify.Finding{{Reason: verify.ReasonRecordsLost}} },
		"something is left": func(r *verify.DrillReport) {
			r.Findings = []verify.Finding{{Reason: verify.ReasonNotRemoved, Warning: true}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := good()
			spoil(r)
			if complete(r) == nil {
				t.Error("its figures are taken")
			}
		})
	}
}

// TestTimesThatWereNotSeen: what did not happen in time is no figure.
func TestTimesThatWereNotSeen(t *testing.T) {
	seen := &verify.Spread{P50: 0.14, P99: 0.16}
	plan := []*drill{{title: "drained", report: &verify.DrillReport{Rules: []verify.DrillSummary{
		{Rule: "article", Runs: 2, Loaders: 4, NotShifted: 4, NotBack: 1, Failback: seen},
		{Rule: "zero-loss", Runs: 2, Loaders: 4, Shifted: seen, NotBack: 4},
	}}}}
	var b bytes.Buffer
	writeDrills(&b, plan)
	for _, row := range []string{
		"| article | 2 | 0 | 0 | not counted | – | not seen | 0.14 / 0.16 s; 1 of 4 not seen | 0 ms |",
		"| zero-loss | 2 | 0 | 0 | not counted | – | 0.14 / 0.16 s | not seen | 0 ms |",
	} {
		if !strings.Contains(b.String(), row) {
			t.Errorf("no row %q in\n%s", row, b.String())
		}
	}
}
