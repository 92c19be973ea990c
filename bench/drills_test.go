package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/drill"
	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/report"
)

// TestComplete refuses figures that are fewer, or worth less, than planned.
func TestComplete(t *testing.T) {
	good := func() *drill.Report {
		return &drill.Report{
			Requests: 1000, Repeat: 2,
			Rules: []drill.Summary{{Rule: "zero-loss", Runs: 2}},
			Runs:  []drill.Run{{Rule: "zero-loss"}, {Rule: "zero-loss"}},
		}
	}
	if err := complete(good()); err != nil {
		t.Errorf("a good drill: %v", err)
	}
	for name, spoil := range map[string]func(*drill.Report){
		"nothing":          func(r *drill.Report) { *r = drill.Report{} },
		"a run too few":    func(r *drill.Report) { r.Rules[0].Runs = 1 },
		"a record missing": func(r *drill.Report) { r.Runs[1].Findings = []report.Finding{{Reason: drill.ReasonRecordsLost}} },
		"something is left": func(r *drill.Report) {
			r.Findings = []report.Finding{{Reason: drill.ReasonNotRemoved, Warning: true}}
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
	seen := &drill.Spread{P50: 0.14, P99: 0.16}
	plan := []*measurement{{title: "drained", report: &drill.Report{Rules: []drill.Summary{
		{Rule: "article", Runs: 2, Generators: 4, NotShifted: 4, NotBack: 1, Failback: seen},
		{Rule: "zero-loss", Runs: 2, Generators: 4, Shifted: seen, NotBack: 4},
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

// TestDrillPlan: every fault is measured with both profiles, the short drills as
// often as asked, and no part that makes no difference.
func TestDrillPlan(t *testing.T) {
	faults := map[string]bool{}
	for _, d := range drillPlan(2) {
		args := strings.Join(d.args, " ")
		if strings.Contains(args, "--profile article,zero-loss") {
			fault := drill.Drain.Faults[0]
			if i := slices.Index(d.args, "--fault"); i >= 0 {
				fault = d.args[i+1]
			}
			faults[fault] = true
		}
		if long := strings.Contains(args, "10000"); long == strings.Contains(args, "--repeat 2") {
			t.Errorf("%s: %s", d.title, args)
		}
		for i, arg := range d.args {
			if arg != "--tuning" {
				continue
			}
			names := strings.Split(d.args[i+1], ",")
			if _, err := drill.ParseTuning(names); err != nil {
				t.Errorf("%s: %v", d.title, err)
			}
			if slices.ContainsFunc(immeasurable, func(part string) bool { return slices.Contains(names, part) }) {
				t.Errorf("%s: %s", d.title, d.args[i+1])
			}
		}
	}
	for _, fault := range drill.Drain.Faults {
		if !faults[fault] {
			t.Errorf("fault %s is not measured with both profiles", fault)
		}
	}
	for _, part := range immeasurable {
		if !slices.Contains(drill.TuningNames(), part) {
			t.Errorf("no part is called %s", part)
		}
	}
}

// TestDrillsAreKept: a report that is written without drills keeps those that it has,
// with their date, and new drills take their place.
func TestDrillsAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "benchmarks.md")
	arms := []*arm{{name: "A", wall: []time.Duration{time.Second}}}
	write := func(plan []*measurement) string {
		t.Helper()
		if err := writeReport(path, arms, &lab{}, plan, &artifacts.Set{}); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	plan := func(title string) []*measurement { return []*measurement{{title: title, report: &drill.Report{}}} }
	if text := write(nil); strings.Contains(text, drillsTitle) {
		t.Errorf("drills from nowhere:\n%s", text)
	}
	first := write(plan("the first"))
	if again := write(nil); again != first {
		t.Errorf("without drills: %s", cmp.Diff(first, again))
	}
	if err := replaceDrills(path, plan("the second")); err != nil {
		t.Fatal(err)
	}
	if text := write(nil); strings.Contains(text, "the first") || strings.Replace(text, "the second", "the first", 1) != first {
		t.Errorf("with others: %s", cmp.Diff(first, text))
	}
}
