package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/artifacts/published"
	"github.com/meshwright/meshwright/report"
)

// newArtifactsCmd returns the commands about the official images and charts.
func newArtifactsCmd(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "artifacts",
		Short: "Look at the official images and charts of a lab",
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	check := &cobra.Command{
		Use:   "check",
		Short: "Ask the registries for every official image and chart",
		Long: `Ask the registries and chart repositories for every image and chart that a lab with
official artifacts is made of, by exact version: whether it can be had, for which
platforms, and with which digest. Only manifests and indexes are downloaded. The exit
code is 1 if something cannot be had.`,
		Example: `  meshwright artifacts check
  meshwright artifacts check --output json`,
	}
	output := outputFlag(check, "table", "json")
	check.RunE = func(cmd *cobra.Command, _ []string) error { return a.checkArtifacts(cmd.Context(), *output) }
	cmd.AddCommand(check)
	return cmd
}

func (a *App) checkArtifacts(ctx context.Context, output string) error {
	var items []published.Item
	if err := a.UI.Do("official artifacts", func(func(string)) (string, error) {
		items = published.Check(ctx, artifacts.Registry(), nil)
		return fmt.Sprintf("%d asked for", len(items)), ctx.Err()
	}); err != nil {
		return err
	}
	var err error
	if output == "json" {
		err = report.JSON(a.Out, artifactsDocument(items))
	} else {
		err = artifactsTable(a.Out, items)
	}
	if missing := missingOf(items); err == nil && missing > 0 {
		return fmt.Errorf("%d of %d official artifacts cannot be had from here; without them: meshwright airgap build, then meshwright up --artifacts airgap", missing, len(items))
	}
	return err
}

func artifactsDocument(items []published.Item) any {
	type publisher struct {
		Host      string `json:"host"`
		Publishes string `json:"publishes"`
		Source    string `json:"source"`
	}
	doc := struct {
		Version    int              `json:"version"`
		Artifacts  []published.Item `json:"artifacts"`
		Publishers []publisher      `json:"publishers"`
	}{Version: 1, Artifacts: items}
	for _, p := range artifacts.Publishers() {
		doc.Publishers = append(doc.Publishers, publisher(p))
	}
	return doc
}

func artifactsTable(w io.Writer, items []published.Item) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KIND\tROLE\tADDRESS\tPLATFORMS\tDIGEST OR PROBLEM")
	for _, i := range items {
		found := i.Digest
		if i.Problem != "" {
			found = i.Problem
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", i.Kind, i.Role, i.Address, strings.Join(i.Platforms, ","), found)
	}
	return t.Flush()
}

func missingOf(items []published.Item) int {
	n := 0
	for _, i := range items {
		if i.Problem != "" {
			n++
		}
	}
	return n
}
