package faults

import (
	"os"
	"strings"
	"testing"

	"github.com/meshwright/meshwright/automation"
)

// TestMatrix plays the matrix on a lab that is up: MESHWRIGHT_E2E_LAB names
// it, and MESHWRIGHT_FAULTS may choose faults (comma-separated).
func TestMatrix(t *testing.T) {
	name := os.Getenv("MESHWRIGHT_E2E_LAB")
	if name == "" {
		t.Skip("no lab: set MESHWRIGHT_E2E_LAB to the name of one that is up")
	}
	lab, err := automation.New(t.Context(), automation.Options{Name: name})
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
	var only []string
	if v := os.Getenv("MESHWRIGHT_FAULTS"); v != "" {
		only = strings.Split(v, ",")
	}
	RunMatrix(t.Context(), t, targets, outputs.Workload(), only...)
}
