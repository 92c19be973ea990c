package automation

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/meshwright/meshwright/automation/internal/backend"
	"github.com/meshwright/meshwright/automation/internal/lock"
	"github.com/meshwright/meshwright/automation/internal/passphrase"
	"github.com/meshwright/meshwright/automation/internal/workspace"
	"github.com/meshwright/meshwright/internal/docker/mark"
	"github.com/meshwright/meshwright/report"
)

// Errors and what is in them. Their fields are documented where they are declared.
type (
	// LockedError says that another operation is at work on the lab: Holder{PID,
	// Operation, Since} of Lab.
	LockedError = lock.LockedError
	// Holder is the process that holds a lab's lock.
	Holder = lock.Holder
	// HeldError says that the lab is in another Pulumi state: the plain command's in a
	// checkout, or one in another backend.
	HeldError = backend.HeldError
	// OtherDaemonError says that the lab is on another Docker daemon than the one asked.
	OtherDaemonError = mark.OtherDaemonError
	// UnknownStackError says that Stack has no settings in Dir, where Known have some.
	UnknownStackError = workspace.UnknownStackError
)

// ErrPassphraseLost says that state exists which nothing can decrypt any more.
var ErrPassphraseLost = passphrase.ErrLost

// OperationError says why an operation did not end well, resource by resource.
type OperationError struct {
	Operation string // as an Event's, or "simulation" of a diff
	Lab       string // of a diff the stack
	Failures  []Failure
	Err       error // what ended it: the program's own error or the engine's
}

func (e *OperationError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of lab %s failed", e.Operation, e.Lab)
	if len(e.Failures) == 0 {
		fmt.Fprintf(&b, ": %v", e.Err)
		return b.String()
	}
	b.WriteByte(':')
	for _, f := range e.Failures {
		if f.Message == "update failed" { // says nothing that the others do not
			continue
		}
		b.WriteString("\n  ")
		if f.Name != "" {
			fmt.Fprintf(&b, "%s (%s): ", f.Name, f.Type)
		}
		b.WriteString(strings.ReplaceAll(f.Message, "\n", "\n  "))
	}
	return b.String()
}

func (e *OperationError) Unwrap() error { return e.Err }

// ChangesError says that a lab is not as its settings say, where that was
// expected.
type ChangesError struct {
	Lab     string
	Changes []Change
}

func (e *ChangesError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "lab %s is not as its settings say: %d changes where none was expected", e.Lab, len(e.Changes))
	for i, c := range e.Changes {
		if i == 5 {
			fmt.Fprintf(&b, "\n  and %d more", len(e.Changes)-i)
			break
		}
		fmt.Fprintf(&b, "\n  %s %s (%s)", c.Op, c.Name, c.Type)
	}
	return b.String()
}

// Remedies are a look at all changes.
func (e *ChangesError) Remedies() []report.Remedy {
	return []report.Remedy{{Text: "to see all", Operation: report.OperationPreview}}
}

// ConfigError says that the program refused its settings. Nothing was created.
type ConfigError struct {
	Stack string
	Err   error // names the key and the remedy
}

func (e *ConfigError) Error() string { return fmt.Sprintf("stack %s: %v", e.Stack, e.Err) }

func (e *ConfigError) Unwrap() error { return e.Err }

// InterruptedError says that an operation was cancelled and what it left.
type InterruptedError struct {
	Operation string
	Lab       string
	Resources int  // that the lab's state still holds; -1: not known
	Removes   bool // the operation removes the lab
	Err       error
}

func (e *InterruptedError) Error() string {
	verb := "interrupted"
	if errors.Is(e.Err, context.DeadlineExceeded) {
		verb = "out of time"
	}
	remains := "nothing remains"
	switch {
	case e.Resources < 0:
		remains = "what remains is in its state"
	case e.Resources > 0 || e.Removes:
		remains = fmt.Sprintf("%d resources remain", e.Resources)
	}
	return fmt.Sprintf("%s of lab %s: %s; %s", e.Operation, e.Lab, verb, remains)
}

// Remedies are to go on and to remove what exists.
func (e *InterruptedError) Remedies() []report.Remedy {
	remedies := []report.Remedy{{Text: "to go on", Operation: report.Operation(e.Operation)}}
	if e.Resources != 0 && !e.Removes {
		remedies = append(remedies, report.Remedy{Text: "to remove them", Operation: report.OperationDestroy})
	}
	return remedies
}

func (e *InterruptedError) Unwrap() error { return e.Err }

// NotUpError says that there is no lab to work on.
type NotUpError struct{ Lab string }

func (l *Lab) notUp() error { return &NotUpError{Lab: l.o.Name} }

func (e *NotUpError) Error() string { return fmt.Sprintf("lab %s is not up", e.Lab) }

// Remedies are to bring the lab up.
func (e *NotUpError) Remedies() []report.Remedy {
	return []report.Remedy{{Text: "bring it up", Operation: report.OperationUp}}
}
