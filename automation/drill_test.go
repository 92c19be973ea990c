package automation

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/meshwright/meshwright/drill"
	"github.com/meshwright/meshwright/fault"
	"github.com/meshwright/meshwright/report"
)

// TestDrillRemedies: what to do about a drill's error is data.
func TestDrillRemedies(t *testing.T) {
	left := []report.Finding{{Reason: drill.ReasonNotRemoved}}
	for want, errs := range map[report.Operation][]error{
		report.OperationCleanup: {&drill.StoppedError{Cause: context.Canceled, Left: left}},
		report.OperationUp:      {fmt.Errorf("drill drain %w", fault.Check(&fault.Subject{}, drill.Drain.Needs)), &fault.NeedError{Need: fault.Regions.Name}},
		"":                      {nil, errors.New("no record"), &drill.StoppedError{Cause: context.Canceled}},
	} {
		for _, err := range errs {
			var got report.Operation
			wrapped := withDrillRemedy(err)
			if known := report.Remedies(wrapped); len(known) > 0 {
				got = known[0].Operation
			}
			if got != want || !errors.Is(wrapped, err) {
				t.Errorf("%v: operation %q, want %q", wrapped, got, want)
			}
		}
	}
}
