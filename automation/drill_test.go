package automation

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/meshwright/meshwright/drill"
	"github.com/meshwright/meshwright/fault"
	"github.com/meshwright/meshwright/report"
	"github.com/meshwright/meshwright/verify"
)

// TestDrillRemedies: what to do about a drill's error is data.
func TestDrillRemedies(t *testing.T) {
	left := []report.Finding{{Reason: drill.ReasonNotRemoved}}
	for want, errs := range map[verify.Operation][]error{
		verify.OperationCleanup: {&drill.StoppedError{Cause: context.Canceled, Left: left}},
		verify.OperationUp:      {fmt.Errorf("drill drain %w", fault.Check(&fault.Subject{}, drill.Drain.Needs)), &fault.NeedError{Need: fault.Regions.Name}},
		"":                      {nil, errors.New("no record"), &drill.StoppedError{Cause: context.Canceled}},
	} {
		for _, err := range errs {
			var got verify.Operation
			known := &verify.RemedyError{}
			wrapped := withDrillRemedy(err)
			if errors.As(wrapped, &known) {
				got = known.Remedy.Operation
			}
			if got != want || !errors.Is(wrapped, err) {
				t.Errorf("%v: operation %q, want %q", wrapped, got, want)
			}
		}
	}
}
