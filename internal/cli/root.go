package cli

import (
	"io"
	"log/slog"

	"github.com/spf13/cobra"
)

// commands lists every command once, in the order in which help shows them.
func commands(a *App) []*cobra.Command {
	return []*cobra.Command{
		newVersionCmd(a),
	}
}

// NewRoot returns the command tree.
func NewRoot(a *App) *cobra.Command {
	if a.Log == nil {
		a.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	root := &cobra.Command{
		Use:           "meshwright",
		Short:         "A multi-cluster Istio mesh on kind: up, verified, and gone again",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.AddCommand(commands(a)...)
	return root
}
