package stacks

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/meshwright/meshwright/internal/artifacts"
)

func TestASimulationAsksNoRegistry(t *testing.T) {
	t.Setenv(Simulated, "true")
	t.Setenv("MESHWRIGHT_LOCK", filepath.Join(t.TempDir(), "lock"))
	set, err := artifactsOf(nil, &Plan{Artifacts: artifacts.SourceRegistry})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(artifacts.Registry(), set, cmpopts.IgnoreUnexported(artifacts.Set{})); diff != "" {
		t.Error(diff)
	}
}
