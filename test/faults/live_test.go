package faults

import (
	"os"
	"strings"
	"testing"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/mesh"
)

// live opens the lab that MESHWRIGHT_E2E_LAB names, which must be up.
// MESHWRIGHT_FAULTS may choose faults (comma-separated).
func live(t *testing.T) (lab *automation.Lab, outputs *automation.Outputs, targets []mesh.Cluster, only []string) {
	t.Helper()
	name := os.Getenv("MESHWRIGHT_E2E_LAB")
	if name == "" {
		t.Skip("no lab: set MESHWRIGHT_E2E_LAB to the name of one that is up")
	}
	lab, err := automation.New(t.Context(), automation.Options{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	if outputs, err = lab.Outputs(t.Context()); err != nil {
		t.Fatal(err)
	}
	if targets, err = outputs.Targets(); err != nil {
		t.Fatal(err)
	}
	if v := os.Getenv("MESHWRIGHT_FAULTS"); v != "" {
		only = strings.Split(v, ",")
	}
	return lab, outputs, targets, only
}

// TestMatrix plays the matrix on a lab that is up.
func TestMatrix(t *testing.T) {
	_, outputs, targets, only := live(t)
	RunMatrix(t.Context(), t, targets, outputs.Workload(), only...)
}

// TestTimed plays the timed faults on a lab that is up.
func TestTimed(t *testing.T) {
	lab, outputs, targets, only := live(t)
	RunTimed(t.Context(), t, targets, outputs.Workload(), lab.Scenarios(), outputs.Rules(), only...)
}
