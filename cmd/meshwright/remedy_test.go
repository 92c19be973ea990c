package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/meshwright/meshwright/report"
)

// TestRemedyIsForTheLab: the command, as it is shown, is for the lab that was checked.
func TestRemedyIsForTheLab(t *testing.T) {
	const flags = " --stack primary-remote --name two"
	r := report.Remedy{Operation: report.OperationRefresh, Text: "install istiod"}
	const want = "install istiod; run `meshwright up --refresh --stack primary-remote --name two`"
	if got := remedies(flags)(r); got != want {
		t.Errorf("got %q", got)
	}
	if got := remedies(flags)(report.Remedy{Text: "restart the pod"}); got != "restart the pod" {
		t.Errorf("without an operation: %q", got)
	}
	cause := errors.New("no clusters")
	err := withRemedy(fmt.Errorf("lab two: %w", &report.RemedyError{Err: cause, Remedy: r}), flags)
	if !errors.Is(err, cause) || err.Error() != "lab two: no clusters; "+want {
		t.Errorf("error %v", err)
	}
	if got := withRemedy(cause, flags); got != cause {
		t.Errorf("an error without a remedy: %v", got)
	}
}

// TestOperationsAreCommands: every operation has a command, which can be typed, and
// the documentation names it.
func TestOperationsAreCommands(t *testing.T) {
	root := NewRoot(&App{})
	document, err := os.ReadFile("../../docs/checks.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, operation := range report.Operations() {
		command := operations[operation]
		if problem := untypable(root, strings.Fields(strings.TrimPrefix(command, "meshwright "))); command == "" || problem != "" {
			t.Errorf("operation %s: %q: %s", operation, command, problem)
		}
		if row := fmt.Sprintf("\n| `%s` | `%s` |", operation, command); !strings.Contains(string(document), row) {
			t.Errorf("docs/checks.md has no row%s", row)
		}
	}
}
