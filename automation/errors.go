package automation

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// OperationError says why an operation did not end well, resource by resource.
type OperationError struct {
	Operation string // as an Event's, or "simulation" of a Diff
	Lab       string // of a Diff the stack
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
	flags   string
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
	b.WriteString("\nto see all: meshwright preview" + e.flags)
	return b.String()
}

// ConfigError says that the program refused its settings. Nothing was created.
type ConfigError struct {
	Stack string
	Err   error // names the key and the mend
}

func (e *ConfigError) Error() string { return fmt.Sprintf("stack %s: %v", e.Stack, e.Err) }

func (e *ConfigError) Unwrap() error { return e.Err }

// InterruptedError says that an operation was cancelled and what it left.
type InterruptedError struct {
	Operation string
	Lab       string
	Resources int // that the lab's state still holds
	Err       error
	flags     string
}

func (e *InterruptedError) Error() string {
	verb := "interrupted"
	if errors.Is(e.Err, context.DeadlineExceeded) {
		verb = "out of time"
	}
	command := e.Operation
	if command == "prepare" {
		command = "env --init"
	}
	again := fmt.Sprintf("To go on: meshwright %s%s", command, e.flags)
	remove := "to remove them: meshwright destroy" + e.flags
	switch {
	case e.Operation == "destroy":
		return fmt.Sprintf("destroy of lab %s: %s; %d resources remain. %s", e.Lab, verb, e.Resources, again)
	case e.Resources == 0:
		return fmt.Sprintf("%s of lab %s: %s; nothing remains. %s", e.Operation, e.Lab, verb, again)
	default:
		return fmt.Sprintf("%s of lab %s: %s; %d resources exist and are kept. %s; %s", e.Operation, e.Lab, verb, e.Resources, again, remove)
	}
}

func (e *InterruptedError) Unwrap() error { return e.Err }

// NotUpError says that there is no lab to work on.
type NotUpError struct {
	Lab   string
	flags string
}

func (l *Lab) notUp() error { return &NotUpError{Lab: l.o.Name, flags: l.Flags()} }

func (e *NotUpError) Error() string {
	return fmt.Sprintf("lab %s is not up; bring it up: meshwright up%s", e.Lab, e.flags)
}
