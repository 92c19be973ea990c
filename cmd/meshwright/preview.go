package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/automation/changes"
	"github.com/meshwright/meshwright/internal/ui"
	"github.com/meshwright/meshwright/report"
)

func newPreviewCmd(a *App) *cobra.Command {
	var expectNoChanges bool
	cmd := &cobra.Command{
		Use:   "preview",
		Short: "Show what up would do, without doing it",
		Example: `  meshwright preview
  meshwright preview -c meshID=mesh2
  meshwright preview --expect-no-changes && echo up to date
  meshwright preview --output markdown      for a comment; nothing when nothing changes`,
	}
	f := addLabFlags(cmd)
	f.addProgramFlags(cmd)
	output := outputFlag(cmd, "table", "json", "markdown")
	cmd.Flags().BoolVar(&expectNoChanges, "expect-no-changes", false, "exit with 1 if anything would be changed")
	warn := func(e automation.Event) {
		if e.Kind == automation.EventLog && e.Severity == "warning" {
			a.UI.Warn(named(e))
		}
	}
	cmd.RunE = a.onLab(f, warn, func(ctx context.Context, lab *automation.Lab, _ []string) error {
		if err := lab.Check(); err != nil {
			return err
		}
		step := a.UI.Start("preview lab " + lab.Name())
		res, err := lab.Preview(ctx)
		if err != nil {
			step.Fail(nil)
			return err
		}
		step.Done("")
		switch *output {
		case "json":
			err = report.JSON(a.Out, previewDocument(res))
		case "markdown":
			_, err = io.WriteString(a.Out, res.Report.Markdown(changes.MaxMarkdown))
		default:
			err = previewTable(a.Out, res)
		}
		if err == nil && expectNoChanges && res.Changed() {
			err = fmt.Errorf("lab %s is not as its settings say: meshwright up%s", lab.Name(), labFlagsOf(lab))
		}
		return err
	})
	return cmd
}

func previewDocument(r *automation.PreviewResult) any {
	return struct {
		Version int `json:"version"`
		*automation.PreviewResult
	}{1, r}
}

func previewTable(w io.Writer, r *automation.PreviewResult) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range r.Changes {
		why := strings.Join(c.Diff, ", ")
		if len(c.Replace) > 0 {
			why = "because of " + strings.Join(c.Replace, ", ")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", verb(c.Op), shortType(c.Type), c.Name, why)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	text := strings.NewReplacer("created", "to create", "updated", "to update", "replaced", "to replace", "deleted", "to delete").Replace(countsText(r.Counts))
	_, err := fmt.Fprintf(w, "Lab %s: %s (%s).\n", r.Lab, text, ui.Elapsed(r.Duration))
	return err
}

// shortType drops the package from a type token: "apps/v1:Deployment".
func shortType(token string) string {
	if _, rest, ok := strings.Cut(token, ":"); ok {
		return rest
	}
	return token
}
