// Command meshwright is the command line. The same executable serves the
// resource providers when it is started under a plugin's name.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/meshwright/meshwright/internal/cli"
	"github.com/meshwright/meshwright/internal/ui"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exe, _ := os.Executable() // without it children cannot be started, which they report themselves
	app := &cli.App{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		UI:         ui.FromFile(os.Stderr),
		Version:    "0.1.0-dev",
		Executable: exe,
	}
	if err := cli.NewRoot(app).ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return cli.ExitCode(err)
	}
	return cli.ExitOK
}
