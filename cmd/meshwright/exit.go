package main

import (
	"context"
	"errors"
	"fmt"
)

// The exit codes of every command.
const (
	ExitOK          = 0   // the command did what it says
	ExitError       = 1   // it could not; the message says what to do next
	ExitUsage       = 2   // the command line was wrong; nothing was done
	ExitVerify      = 3   // the mesh was checked and found wrong
	ExitChanges     = 8   // diff --fail-on: something changes
	ExitDestructive = 9   // diff --fail-on: something is replaced or removed
	ExitInterrupted = 130 // stopped by Ctrl-C
)

// CodedError carries an exit code together with its cause.
type CodedError struct {
	Code int
	Err  error // may be nil when the output already says everything
}

func (e *CodedError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

func (e *CodedError) Unwrap() error { return e.Err }

// usagef reports a mistake on the command line.
func usagef(format string, args ...any) error {
	return &CodedError{Code: ExitUsage, Err: fmt.Errorf(format, args...)}
}

// ExitCode is the one place where an error becomes an exit code.
func ExitCode(err error) int {
	var exit *CodedError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &exit):
		return exit.Code
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	default:
		return ExitError
	}
}
