package main

import (
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
