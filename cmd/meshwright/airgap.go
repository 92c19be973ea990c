package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/internal/airgap"
	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/setup"
	"github.com/meshwright/meshwright/internal/ui"
	"github.com/meshwright/meshwright/report"
)

// newAirgapCmd returns the commands that build, show and remove the airgap kit.
func newAirgapCmd(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "airgap",
		Short: "Build what a lab is made of from package registries alone",
		Long: `The airgap kit is everything a lab is made of, built on this machine from
package registries: the kind node image with all workload images inside, the
charts, and the command lines. It replaces the official registries where they
cannot be reached.

The kit is kept in the cache directory and shared by every clone on this machine.
Only what changed is built again. An interrupted build continues where it stopped.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, c := range []struct {
		use, short string
		run        func(ctx context.Context, output string) error
	}{
		{"build", "Bring the kit up to date", a.buildKit},
		{"status", "Show the kit's steps: which are built, how large, how old", a.kitStatus},
		{"clean", "Remove the kit, its cache and its images", a.removeKit},
	} {
		sub := &cobra.Command{Use: c.use, Short: c.short}
		output := outputFlag(sub, "table", "json")
		sub.RunE = func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context(), *output) }
		cmd.AddCommand(sub)
	}
	return cmd
}

func (a *App) buildKit(ctx context.Context, output string) error {
	begin := time.Now()
	if err := setup.Preflight(ctx, a.UI, true); err != nil {
		return err
	}
	set, changed, err := airgap.Build(ctx, airgap.Options{UI: a.UI})
	if err != nil {
		return err
	}
	if output == "json" {
		return report.JSON(a.Out, set)
	}
	if !changed {
		_, err := fmt.Fprintf(a.Out, "The kit in %s is up to date.\n", set.Dir())
		return err
	}
	return kitTable(a.Out, set, time.Since(begin))
}

// kitTable shows what a build has made and how long each step took.
func kitTable(w io.Writer, set *artifacts.Set, wall time.Duration) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "STEP\tTIME")
	for _, s := range set.Steps {
		fmt.Fprintf(t, "%s\t%s\n", s.Name, seconds(s.Seconds))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nNode image %s, %s.\nKubernetes %s, Istio %s, MetalLB %s, ready in %s after %s.\n",
		set.NodeImage.Name, ui.Bytes(set.NodeImage.Size), set.Kubernetes, set.Istio, set.MetalLB, set.Dir(), ui.Elapsed(wall))
	return err
}

func (a *App) kitStatus(ctx context.Context, output string) error {
	steps, err := airgap.Status(ctx, airgap.Options{})
	if err != nil {
		return err
	}
	if output == "json" {
		return report.JSON(a.Out, stepsDocument(steps))
	}
	return airgapTable(a.Out, steps, time.Now())
}

func stepsDocument(steps []airgap.StepStatus) any {
	return struct {
		Version int                 `json:"version"`
		Steps   []airgap.StepStatus `json:"steps"`
	}{1, steps}
}

func airgapTable(w io.Writer, steps []airgap.StepStatus, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "STEP\tSTATE\tSIZE\tTOOK\tAGE")
	ready := 0
	var size int64
	for _, s := range steps {
		if s.State != airgap.StateReady {
			fmt.Fprintf(t, "%s\t%s\t-\t-\t-\n", s.Name, s.State)
			continue
		}
		ready++
		size += s.Size
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", s.Name, s.State, ui.Bytes(s.Size), seconds(s.Seconds), ui.Elapsed(now.Sub(s.Finished)))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%d of %d steps are ready, %s.\n", ready, len(steps), ui.Bytes(size))
	if err == nil && ready < len(steps) {
		_, err = fmt.Fprintln(w, "Build the rest with: meshwright airgap build")
	}
	return err
}

func (a *App) removeKit(ctx context.Context, output string) error {
	cleaned, err := airgap.Clean(ctx, airgap.Options{UI: a.UI})
	if err != nil {
		return err
	}
	if output == "json" {
		return report.JSON(a.Out, cleanedDocument(cleaned))
	}
	fmt.Fprintf(a.Out, "Removed %s of files and %d images.\n", ui.Bytes(cleaned.Bytes), len(cleaned.Images))
	for _, file := range cleaned.Changed {
		fmt.Fprintf(a.Out, "Kept %s, which is not the kit's any more.\n", file)
	}
	for _, name := range cleaned.Kept {
		fmt.Fprintf(a.Out, "Kept %s, which a container uses; remove its lab with `meshwright destroy`, then run this again.\n", name)
	}
	return nil
}

func cleanedDocument(c *airgap.Cleaned) any {
	return struct {
		Version int `json:"version"`
		*airgap.Cleaned
	}{1, c}
}

func seconds(s float64) string { return ui.Elapsed(time.Duration(s * float64(time.Second))) }
