package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/internal/setup"
)

// newSetupCmd returns the command that brings the machine to where a lab can
// start.
func newSetupCmd(a *App) *cobra.Command {
	o := setup.Options{Artifacts: setup.ArtifactsAuto}
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Prepare this machine: Docker, limits, room",
		Long: `Prepare this machine for a lab.

Where Docker answers, it is used as it is. Only where none does, on Debian or
Ubuntu and as root, this installs and starts one that belongs to meshwright; it
shows what will change and asks first, unless MESHWRIGHT_SETUP=1 is set.
What is in place already is skipped.

Where artifacts come from is found out as well: from the official registries
when they answer, else from the airgap kit, which is then to be built.

It measures disk, memory and ports first, as airgap build and up do of themselves;
with MESHWRIGHT_SKIP_PREFLIGHT=1 none of them does.

Prints settings for the shell: DOCKER_HOST when the daemon is meshwright's, and
MESHWRIGHT_ARTIFACTS.`,
		Example: `  eval "$(meshwright setup)"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch o.Artifacts {
			case setup.ArtifactsAuto, setup.ArtifactsAirgap, setup.ArtifactsRegistry:
			default:
				return usagef("--artifacts %q: write auto, registry or airgap", o.Artifacts)
			}
			o.UI, o.In, o.Out, o.Terminal = a.UI, a.In, a.Err, isTerminal(a.In)
			o.Approved = os.Getenv("MESHWRIGHT_SETUP") == "1"
			result, err := setup.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			if result.Ours {
				fmt.Fprintf(a.Out, "export %s\n", result.Client.Env()[0])
			}
			fmt.Fprintf(a.Out, "export MESHWRIGHT_ARTIFACTS=%s\n", result.Artifacts)
			return nil
		},
	}
	cmd.Flags().StringVar(&o.Artifacts, "artifacts", o.Artifacts, "where images and charts are to come from: auto, registry or airgap")
	cmd.Flags().BoolVar(&o.Tests, "tests", false, "bring what make test needs as well: a C compiler for Go's race detector")
	return cmd
}
