package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/internal/airgap"
	"github.com/meshwright/meshwright/internal/setup"
)

// newCleanCmd returns the command that undoes `meshwright setup`.
func newCleanCmd(a *App) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "clean",
		Short: "Undo setup: stop our Docker, remove caches, state and passphrase",
		Long: `Undo what setup and airgap did to this machine: stop the Docker daemon that
meshwright started, restore kernel settings, remove caches, state and passphrase.
A Docker that was there before stays as it is. Installed packages stay and are
listed. While labs exist this refuses; take them down first with destroy.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cleaned, err := setup.Clean(cmd.Context(), setup.CleanOptions{UI: a.UI, Force: force, Kit: cleanKit})
			if err != nil {
				return err
			}
			if len(cleaned.Packages) > 0 {
				fmt.Fprintf(a.Out, "These packages were installed by setup and stay; to remove them: apt-get remove %s\n", strings.Join(cleaned.Packages, " "))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "also remove the labs that exist")
	return cmd
}

// cleanKit removes the airgap kit and says what that was.
func cleanKit(ctx context.Context) (string, error) {
	cleaned, err := airgap.Clean(ctx, airgap.Options{})
	if err != nil {
		return "", err
	}
	note := fmt.Sprintf("removed %s of files and %d images", bytesText(cleaned.Bytes), len(cleaned.Images))
	if len(cleaned.Kept) > 0 {
		note += ", kept " + strings.Join(cleaned.Kept, ", ") + ", which containers use"
	}
	return note, nil
}
