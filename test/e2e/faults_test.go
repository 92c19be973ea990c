package e2e

import (
	"path/filepath"
	"testing"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/test/faults"
)

// faultMatrix breaks the mesh in every known way and puts it right again.
func faultMatrix(t *testing.T, h *harness) {
	lab, err := automation.New(t.Context(), automation.Options{
		Name: h.lab, ProjectDir: h.root, Executable: h.bin, StateDir: filepath.Join(h.state, "meshwright"),
	})
	if err != nil {
		t.Fatal(err)
	}
	outputs, err := lab.Outputs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	targets, err := outputs.Targets()
	if err != nil {
		t.Fatal(err)
	}
	faults.RunMatrix(t.Context(), t, targets, outputs.Workload())
}
