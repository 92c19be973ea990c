package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/automation/changes"
	"github.com/meshwright/meshwright/automation/diff"
)

// What diff --fail-on takes.
const (
	failNever       = "never"
	failChanges     = "changes"
	failDestructive = "destructive"
)

func newDiffCmd(a *App) *cobra.Command {
	var o diff.Options
	var failOn string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "diff [BASE[..HEAD]]",
		Short: "Show what a change does to every stack, without running any",
		Long: `Show what a change does to every stack: added, changed, replaced and removed
resources with the properties that differ, by stack and cluster.

Nothing has to run: no Docker, no cluster, no state. The program of each revision
is compiled from a checkout of its own and run by Pulumi's engine against
simulated providers: BASE from nothing, HEAD on what BASE left. So it is what the
change means, not a diff of anything that is up; that is meshwright preview.
Secrets are not shown. Needed are Git, Go and the pulumi command.

  BASE..HEAD    from one revision to another
  BASE...HEAD   from their merge base, as a pull request is shown
  BASE          from a revision to the working tree
  (none)        from where HEAD left the default branch to the working tree

When nothing changes, text is one line, markdown is empty, and json lists the
stacks as "same". Markdown is at most 65,536 bytes long, GitHub's limit for a
comment, and says what it had to leave out.

Exit codes with --fail-on changes: 0 nothing changes, 8 something changes,
9 something is replaced or removed. With --fail-on destructive: 9, else 0.`,
		Example: `  meshwright diff                                   what you are about to commit
  meshwright diff origin/main...HEAD --output markdown > comment.md
  meshwright diff v1..v2 --stack dev
  meshwright diff --fail-on destructive || echo look twice`,
		Args: cobra.MaximumNArgs(1),
	}
	output := outputFlag(cmd, "text", "markdown", "json")
	fs := cmd.Flags()
	fs.StringArrayVarP(&o.Stacks, "stack", "s", nil, "this stack alone (repeatable; default: every stack with settings)")
	fs.StringVar(&o.ProjectDir, "project", "", "directory of Pulumi.yaml (default: this one or a parent of it)")
	fs.StringVar(&failOn, "fail-on", failNever, "when to exit with 8 or 9: never, changes or destructive")
	fs.DurationVar(&timeout, "timeout", 0, "give up after this long, for example 10m (default: never)")
	complete(cmd, "stack", func(string) []string { return automation.Stacks(projectDir(o.ProjectDir)) })
	complete(cmd, "fail-on", func(string) []string { return []string{failNever, failChanges, failDestructive} })
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch failOn {
		case failNever, failChanges, failDestructive:
		default:
			return usagef("--fail-on %q: use %s, %s or %s", failOn, failNever, failChanges, failDestructive)
		}
		f := labFlags{timeout: timeout}
		ctx, cancel := f.bounded(cmd.Context())
		defer cancel()
		if len(args) == 1 {
			o.Revisions = args[0]
		}
		step := a.UI.Start("diff")
		o.Log, o.Progress = a.Log, step.Update
		report, err := diff.Run(ctx, o)
		if err != nil {
			step.Fail(nil)
			if errors.Is(err, context.DeadlineExceeded) {
				return fmt.Errorf("not compared within %s: %w; give it longer with --timeout, or name a --stack", timeout, err)
			}
			return err
		}
		step.Done("")
		if err := writeReport(a.Out, report, *output); err != nil {
			return err
		}
		return diffExit(report, failOn)
	}
	return cmd
}

func writeReport(w io.Writer, report *changes.Report, format string) error {
	switch format {
	case "json":
		return report.JSON(w)
	case "markdown":
		_, err := io.WriteString(w, report.Markdown(changes.MaxMarkdown))
		return err
	}
	return report.Text(w)
}

// diffExit is the exit code that --fail-on asks for.
func diffExit(report *changes.Report, failOn string) error {
	switch {
	case failOn != failNever && report.Destructive():
		return &CodedError{Code: ExitDestructive}
	case failOn == failChanges && report.Changed():
		return &CodedError{Code: ExitChanges}
	}
	return nil
}
