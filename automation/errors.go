package automation

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/meshwright/meshwright/automation/internal/backend"
	"github.com/meshwright/meshwright/automation/internal/lock"
	"github.com/meshwright/meshwright/automation/internal/passphrase"
	"github.com/meshwright/meshwright/automation/internal/remedy"
	"github.com/meshwright/meshwright/automation/internal/workspace"
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
	// UnknownStackError says that Stack has no settings in Dir, where Known have some.
	UnknownStackError = workspace.UnknownStackError
	// Remedy is one thing that helps against an error: Text says what it is good for,
	// Operation which operation to run, with Force or not, on the lab that the error is
	// about, or Option which field of Options to set to Value.
	Remedy = remedy.Remedy
)

// ErrPassphraseLost says that state exists which nothing can decrypt any more.
var ErrPassphraseLost = passphrase.ErrLost

// Remedies are what helps against an error of this package, the most useful first; none
// where nothing is known. An error's text does not repeat them.
func Remedies(err error) []Remedy { return remedy.Of(err) }

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
func (e *ChangesError) Remedies() []Remedy {
	return []Remedy{{Text: "to see all", Operation: opPreview.name}}
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
	Resources int  // that the lab's state still holds
	Removes   bool // the operation removes the lab
	Err       error
}

func (e *InterruptedError) Error() string {
	verb := "interrupted"
	if errors.Is(e.Err, context.DeadlineExceeded) {
		verb = "out of time"
	}
	remains := "nothing remains"
	if e.Resources > 0 || e.Removes {
		remains = fmt.Sprintf("%d resources remain", e.Resources)
	}
	return fmt.Sprintf("%s of lab %s: %s; %s", e.Operation, e.Lab, verb, remains)
}

// Remedies are to go on and to remove what exists.
func (e *InterruptedError) Remedies() []Remedy {
	remedies := []Remedy{{Text: "to go on", Operation: e.Operation}}
	if e.Resources > 0 && !e.Removes {
		remedies = append(remedies, Remedy{Text: "to remove them", Operation: opDestroy.name})
	}
	return remedies
}

func (e *InterruptedError) Unwrap() error { return e.Err }

// NotUpError says that there is no lab to work on.
type NotUpError struct{ Lab string }

func (l *Lab) notUp() error { return &NotUpError{Lab: l.o.Name} }

func (e *NotUpError) Error() string { return fmt.Sprintf("lab %s is not up", e.Lab) }

// Remedies are to bring the lab up.
func (e *NotUpError) Remedies() []Remedy {
	return []Remedy{{Text: "bring it up", Operation: opUp.name}}
}
