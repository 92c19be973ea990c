package main

import (
	"context"
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/internal/ui"
)

// App is what a command needs from its surroundings. Tests inject their own.
type App struct {
	In  io.Reader
	Out io.Writer // results: tables, JSON documents
	Err io.Writer // progress, warnings, errors

	UI  *ui.Printer  // progress; nil is silent
	Log *slog.Logger // diagnostics for --debug; never nil after NewRoot

	Version    string // of this build
	Executable string // path of this binary, for child processes; "" when unknown

	// Collect gathers evidence after a failed up and returns the archive's
	// path; never nil after NewRoot.
	Collect func(context.Context, *automation.Lab) (string, error)

	// sameLab returns the flags by which another command finds this command's lab; never
	// nil after NewRoot.
	sameLab func() string
}

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
