// Command meshwright is the command line. Under other names, or with a hidden
// first argument, the same executable is a resource provider, the Pulumi
// program, or the child that runs kind.
//
// It owns flags, help, tables, exit codes and the way progress is shown. One
// command is one file with one newXCmd; root.go lists them all; exit.go has
// every exit code. What a command does is the business of automation, verify,
// drill, airgap and setup, which print nothing.
//
// Results go to standard output, progress and errors to standard error, so that
// `meshwright up --output json | jq` works while progress is shown.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/internal/provider"
	"github.com/meshwright/meshwright/internal/provider/kind"
	"github.com/meshwright/meshwright/internal/provider/plugins"
	"github.com/meshwright/meshwright/internal/ui"
	"github.com/meshwright/meshwright/stacks"
)

// version is set by the build.
var version = "0.1.0-dev"

func main() { os.Exit(run()) }

func run() int {
	// Without its path the executable starts no children; what needs one fails then.
	exe, _ := os.Executable()
	if name, ok := plugins.FromArgv0(os.Args[0]); ok {
		return servePlugin(name, exe)
	}
	if filepath.Base(os.Args[0]) == automation.ProgramName {
		pulumi.Run(stacks.Program)
		return ExitOK
	}
	if len(os.Args) > 1 && os.Args[1] == kind.ChildArg {
		return kind.ChildMain()
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400) // most commands are over before memory matters
	}
	ctx, stop := interruptible(os.Stderr)
	defer stop()
	app := &App{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		UI:         ui.FromFile(os.Stderr),
		Version:    version,
		Executable: exe,
	}
	return Main(ctx, app, os.Args[1:])
}

func servePlugin(name, exe string) int {
	twins := plugins.All(plugins.Options{Executable: exe})
	if err := provider.Main(name, twins[name]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return ExitError
	}
	return ExitOK
}
