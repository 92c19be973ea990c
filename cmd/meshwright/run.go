package main

import (
	"context"
	"errors"
	"fmt"
)

// Main runs one command line and returns the process's exit code. It is the
// one place that prints errors.
func Main(ctx context.Context, a *App, args []string) int {
	root := NewRoot(a)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	code := ExitCode(err)
	if err == nil {
		return code
	}
	var coded *CodedError
	if errors.As(err, &coded) && coded.Err == nil {
		return code // the output has said it all
	}
	if code == ExitInterrupted {
		fmt.Fprintln(a.Err, errorText(err, a.sameLab()))
		return code
	}
	fmt.Fprintln(a.Err, "error:", errorText(err, a.sameLab()))
	return code
}
