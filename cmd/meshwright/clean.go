package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/internal/airgap"
	"github.com/meshwright/meshwright/internal/setup"
	"github.com/meshwright/meshwright/internal/ui"
)

// newCleanCmd returns the command that undoes `meshwright setup`.
func newCleanCmd(a *App) *cobra.Command {
	return &cobra.Command{
		Use:   "clean",
		Short: "Undo setup: stop our Docker, remove the kit, state and passphrase",
		Long: `Undo what setup and airgap did to this machine: stop the Docker daemon that
meshwright started, restore kernel settings, and remove the kit, its cache, state
and passphrase.

A Docker that existed before stays as it is. Installed packages stay and are
listed. Go's own caches stay too: every Go program shares them. While labs exist
the command refuses, whether Docker answers or not; remove them first with destroy.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cleaned, err := setup.Clean(cmd.Context(), setup.CleanOptions{UI: a.UI, Kit: cleanKit})
			var exist *setup.LabsExistError
			if errors.As(err, &exist) {
				return fmt.Errorf("%w; remove them first: meshwright destroy --name %s", err, strings.Join(exist.Labs, "; meshwright destroy --name "))
			}
			if err != nil {
				return err
			}
			return a.whatStays(cleaned)
		},
	}
}

// whatStays says how to remove what a clean-up leaves.
func (a *App) whatStays(cleaned *setup.Cleaned) error {
	lines := "Go's caches stay, with what make and the kit downloaded and compiled; to empty them: go clean -cache -modcache\n"
	if len(cleaned.Packages) > 0 {
		lines += "These packages were installed by setup and stay; to remove them: apt-get remove " + strings.Join(cleaned.Packages, " ") + "\n"
	}
	_, err := io.WriteString(a.Out, lines)
	return err
}

// cleanKit removes the airgap kit and says what it removed.
func cleanKit(ctx context.Context) (string, error) {
	cleaned, err := airgap.Clean(ctx, airgap.Options{})
	if err != nil {
		return "", err
	}
	note := fmt.Sprintf("removed %s of files and %d images", ui.Bytes(cleaned.Bytes), len(cleaned.Images))
	if len(cleaned.Kept) > 0 {
		note += ", kept " + strings.Join(cleaned.Kept, ", ") + ", which containers use"
	}
	if len(cleaned.Changed) > 0 {
		note += ", kept " + strings.Join(cleaned.Changed, ", ") + ", which are not the kit's any more"
	}
	return note, nil
}
