// Package faults plays the matrix of faults and checks on a running mesh: each
// fault turns exactly the declared checks red, for the declared reasons, and
// all are green again after the restore.
package faults

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/test/faults/matrix"
	"github.com/meshwright/meshwright/verify"
)

// RunMatrix plays every fault that the mesh's topology can have, or those named in
// only, and reports each row that does not go as declared. It changes the mesh and
// puts it right again; when it cannot, it fails t at once.
func RunMatrix(ctx context.Context, t testing.TB, targets []mesh.Cluster, workload mesh.Workload, only ...string) []matrix.Row {
	t.Helper()
	client, err := docker.Find(ctx)
	if err != nil {
		t.Fatal(err)
	}
	played := 0
	rows, err := matrix.Run(ctx, matrix.Options{
		Targets: targets, Workload: workload, Only: only,
		NodeExec: func(ctx context.Context, node string, argv ...string) ([]byte, error) {
			return client.Output(ctx, node, argv...)
		},
		Progress: progress(t),
	})
	for _, r := range rows {
		switch {
		case r.Skipped != "" && len(only) == 0:
			t.Logf("%s: not played: %s", r.Fault, r.Skipped)
		case r.Skipped != "":
			t.Errorf("%s: not played: %s", r.Fault, r.Skipped)
		default:
			played++
		}
	}
	tell(t, rows, err)
	if played == 0 {
		t.Error("no fault was played")
	}
	return rows
}

// progress logs every step with the seconds since the first.
func progress(t testing.TB) func(fault, step string) {
	began := time.Now()
	return func(fault, step string) { t.Logf("%6.1fs %s: %s", time.Since(began).Seconds(), fault, step) }
}

// tell logs the rows, and reports those that did not go as declared. An error ends the
// test: the mesh could not be put right.
func tell(t testing.TB, rows []matrix.Row, err error) {
	t.Helper()
	for _, r := range rows {
		if r.Error != "" {
			t.Errorf("%s: %s%s", r.Fault, r.Error, details(r))
		}
	}
	t.Logf("fault × check, with seconds to inject, until seen, to restore, until green:\n%s", table(rows))
	if err != nil {
		t.Fatal(err)
	}
}

// table renders rows for a log.
func table(rows []matrix.Row) string {
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "%-30s %5.1f %5.1f %5.1f %5.1f", r.Fault, r.Inject, r.Seen, r.Restore, r.Green)
		for _, id := range slices.Sorted(maps.Keys(r.Got)) {
			if o := r.Got[id]; o.Status != verify.Passed {
				fmt.Fprintf(&b, "  %s=%s", id, o.Reason)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// details lists what the last look found.
func details(r matrix.Row) string {
	if r.LastSeen == nil {
		return ""
	}
	var b strings.Builder
	for _, c := range r.LastSeen.Checks {
		for _, f := range c.Findings {
			fmt.Fprintf(&b, "\n    %s: %s %s: %s %s", c.ID, f.Reason, f.Cluster, f.Object, f.Message)
		}
	}
	return b.String()
}
