package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/meshwright/meshwright/internal/setup"
)

// newSetupCmd returns the command that brings the machine to where a lab can
// start.
func newSetupCmd(a *App) *cobra.Command {
	var kit, skipPreflight bool
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Prepare this machine: Docker, limits, room",
		Long: `Prepare this machine for a lab.

Where Docker answers, it is used as it is. Only where none does, on Debian or
Ubuntu and as root, this installs and starts one that belongs to meshwright; it
shows what will change and asks first, unless MESHWRIGHT_SETUP=1 is set.
What is in place already is skipped.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			result, err := setup.Run(cmd.Context(), setup.Options{
				UI: a.UI, In: a.In, Out: a.Err, Terminal: isTerminal(a.In),
				Approved: os.Getenv("MESHWRIGHT_SETUP") == "1",
				Kit:      kit, SkipPreflight: skipPreflight,
			})
			if err != nil {
				return err
			}
			if result.Ours {
				fmt.Fprintf(a.Out, "Docker %s, started by meshwright; to use it yourself: export %s\n", result.Docker.Engine, result.Client.Env()[0])
				return nil
			}
			fmt.Fprintf(a.Out, "Docker %s\n", result.Docker.Engine)
			return nil
		},
	}
	cmd.Flags().BoolVar(&kit, "kit", false, "also bring what `meshwright airgap build` needs")
	cmd.Flags().BoolVar(&skipPreflight, "skip-preflight", false, "do not measure disk, memory and ports")
	return cmd
}

// isTerminal reports whether a person sits at the other end.
func isTerminal(in io.Reader) bool {
	f, ok := in.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
