package faults

import (
	"context"
	"testing"

	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/test/faults/matrix"
)

// RunTimed plays every timed fault, or those named in only, sees every check green
// as well, and reports each row that does not go as declared. When the mesh cannot be
// put right again it fails t at once.
func RunTimed(ctx context.Context, t testing.TB, targets []mesh.Cluster, workload mesh.Workload, d mesh.Deployer, rules mesh.Rules, only ...string) []matrix.Row {
	t.Helper()
	rows, err := matrix.RunTimed(ctx, matrix.TimedOptions{
		Options: matrix.Options{
			Targets: targets, Workload: workload, Only: only,
			Progress: progress(t),
		},
		Deployer: d, Rules: rules,
	})
	tell(t, rows, err)
	return rows
}
