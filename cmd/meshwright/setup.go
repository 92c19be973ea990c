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
	var o setup.Options
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Prepare this machine: Docker, limits, room",
		Long: `Prepare this machine for a lab.

Where Docker answers, it is used as it is. Where none does, on Debian or Ubuntu and
as root, the command installs and starts one that belongs to meshwright. It shows
what will change and asks first, unless MESHWRIGHT_SETUP=1 is set. It skips what is
in place already.

The command also decides where artifacts come from: the official registries when
they answer, otherwise the airgap kit, which is then to be built.

It measures disk, memory and ports first, as airgap build and up do. Set
MESHWRIGHT_SKIP_PREFLIGHT=1 to turn that off in all of them.

It prints settings for the shell: DOCKER_HOST when the daemon is meshwright's, and
MESHWRIGHT_ARTIFACTS.`,
		Example: `  eval "$(meshwright setup)"`,
	}
	from := choiceFlag(cmd, "artifacts", "", "where images and charts come from: auto, registry or airgap",
		setup.ArtifactsAuto, setup.ArtifactsRegistry, setup.ArtifactsAirgap)
	cmd.Flags().BoolVar(&o.Tests, "tests", false, "also install what make test needs: a C compiler for Go's race detector")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o.UI, o.In, o.Out, o.Terminal, o.Artifacts = a.UI, a.In, a.Err, isTerminal(a.In), *from
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
	}
	return cmd
}
