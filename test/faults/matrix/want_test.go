package matrix

import (
	"slices"
	"strings"
	"testing"

	"github.com/meshwright/meshwright/drill"
	"github.com/meshwright/meshwright/fault"
	"github.com/meshwright/meshwright/verify"
)

// TestMatrixIsComplete: every fault of the matrix declares every check and turns at
// least one red, every check is turned red by something, and no fault is left out.
func TestMatrixIsComplete(t *testing.T) {
	for name, row := range wants {
		if _, err := fault.Named(name); err != nil {
			t.Error(err)
		}
		red := 0
		for _, id := range verify.ReadOnlyIDs() {
			o, ok := row[id]
			switch {
			case !ok:
				t.Errorf("%s declares nothing for check %s", name, id)
			case o.Status == verify.Failed && o.Reason != "":
				red++
			case o != green:
				t.Errorf("%s: check %s declared as %v", name, id, o)
			}
		}
		if red == 0 {
			t.Errorf("%s turns no check red", name)
		}
		if len(row) != len(verify.ReadOnlyIDs()) {
			t.Errorf("%s declares checks that do not exist: %v", name, row)
		}
	}
	for name := range timed {
		if _, err := fault.Named(name); err != nil {
			t.Error(err)
		}
	}
	// Every check is turned red by something.
	for _, id := range verify.IDs() {
		seen := false
		for _, row := range wants {
			seen = seen || row[id].Status == verify.Failed
		}
		for _, d := range timed {
			seen = seen || d.check == id && d.want.Status == verify.Failed && d.want.Reason != ""
		}
		if !seen {
			t.Errorf("no fault turns check %s red", id)
		}
	}
	for _, f := range fault.All() {
		played := wants[f.Name] != nil || timed[f.Name].check != ""
		drilled := slices.ContainsFunc(drill.All(), func(d drill.Drill) bool { return slices.Contains(d.Faults, f.Name) })
		if played == drilled {
			t.Errorf("%s: declared %t, in a drill %t", f.Name, played, drilled)
		}
	}
}

func TestDifference(t *testing.T) {
	got := difference(
		want(map[string]Outcome{verify.CheckConnectivity: red(verify.ReasonVersionUnreachable)}),
		want(map[string]Outcome{verify.CheckTrust: red(verify.ReasonRootsDiffer)}))
	for _, part := range []string{"trust is fail RootsDiffer, want pass", "connectivity is pass, want fail VersionUnreachable"} {
		if !strings.Contains(got, part) {
			t.Errorf("difference %q lacks %q", got, part)
		}
	}
}
