package faults

import (
	"context"
	"testing"
	"time"

	"github.com/meshwright/meshwright/automation/verify"
	"github.com/meshwright/meshwright/automation/verify/faults"
)

// RunTimed plays every timed fault, or those named in only, sees every check green
// as well, and reports each row that does not go as declared. When the mesh cannot be put right again it fails t at once.
func RunTimed(ctx context.Context, t testing.TB, targets []verify.Target, workload verify.Workload, d verify.Deployer, rules verify.Rules, only ...string) []faults.Row {
	t.Helper()
	began := time.Now()
	rows, err := faults.RunTimed(ctx, faults.TimedOptions{
		Options: faults.Options{
			Targets: targets, Workload: workload, Only: only,
			Progress: func(fault, step string) { t.Logf("%6.1fs %s: %s", time.Since(began).Seconds(), fault, step) },
		},
		Deployer: d, Rules: rules,
	})
	for _, r := range rows {
		if r.Error != "" {
			t.Errorf("%s: %s%s", r.Fault, r.Error, details(r))
		}
	}
	t.Logf("fault × check, with seconds to inject, to look, to repair, until green:\n%s", Table(rows))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
