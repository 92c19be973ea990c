package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/internal/ui"
	"github.com/meshwright/meshwright/report"
	"github.com/meshwright/meshwright/verify"
)

func newVerifyCmd(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Prove that a lab's mesh works, with real traffic",
		Long: `Check the mesh of a lab that is up: control planes and gateways, certificates,
discovery, networks, and requests from every cluster to every version. Nothing is changed.

--full adds the timed checks, about four minutes: regional distribution, failover
and mTLS. Each deploys a workload of its own, puts load on it, and removes it.

Exit code 0 means that every check passed that was asked for; 3, that one failed
or could not be applied to this mesh.

Checks: ` + strings.Join(verify.ReadOnlyIDs(), ", ") + `.
Timed:  ` + strings.Join(verify.TimedIDs(), ", ") + ` (see docs/checks.md).`,
		Example: `  meshwright verify
  meshwright verify --full
  meshwright verify --only trust,discovery
  meshwright verify --output junit > verify.xml
  meshwright verify --output json | jq -r '.checks[] | select(.status=="fail") | .reason'
  meshwright verify --cleanup     remove what a crashed run left, and check nothing`,
		Args: cobra.NoArgs,
	}
	f := addLabFlags(cmd)
	output := outputFlag(cmd, "table", "json", "junit", "html")
	only := cmd.Flags().StringSlice("only", nil, "run these checks alone (comma-separated)")
	complete(cmd, "only", func(string) []string { return verify.IDs() })
	full := cmd.Flags().Bool("full", false, "run the timed checks too")
	cleanup := cmd.Flags().Bool("cleanup", false, "remove the workloads that crashed runs left behind, and do nothing else")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, cancel := f.bounded(cmd.Context())
		defer cancel()
		if *cleanup {
			return a.cleanup(ctx, f, *output)
		}
		return a.verify(ctx, f, *only, *full, *output)
	}
	return cmd
}

func (a *App) verify(ctx context.Context, f *labFlags, only []string, full bool, output string) error {
	for _, id := range only {
		if err := verify.KnownID(id); err != nil {
			return usagef("--only: %w", err)
		}
	}
	lab, err := a.lab(ctx, f, nil)
	if err != nil {
		return err
	}
	p := &checkProgress{ui: a.UI, steps: map[string]*ui.Step{}}
	report, err := lab.Verify(ctx, verify.Options{Only: only, Full: full, Log: a.Log, Progress: p.event})
	if report == nil {
		return err
	}
	if err := errors.Join(err, a.render(report, output, remedies(labFlagsOf(lab)))); err != nil {
		return err
	}
	return verifyExit(report)
}

// verifyExit is the exit code of a run that ended; the report has said why.
func verifyExit(report *report.Report) error {
	if report.Proven() {
		return nil
	}
	return &CodedError{Code: ExitVerify}
}

func (a *App) render(r *report.Report, output string, remedy func(report.Remedy) string) error {
	o := report.Options{Color: a.UI.Color(), Remedy: remedy}
	switch output {
	case "json":
		return r.JSON(a.Out)
	case "junit":
		return r.JUnit(a.Out, o)
	case "html":
		return r.HTML(a.Out, o)
	}
	return r.Table(a.Out, o)
}

// cleanup removes what crashed runs left of timed checks.
func (a *App) cleanup(ctx context.Context, f *labFlags, output string) error {
	if output != "table" && output != "json" {
		return usagef("--output %s: --cleanup makes no report; use table or json", output)
	}
	lab, err := a.lab(ctx, f, nil)
	if err != nil {
		return err
	}
	step := a.UI.Start("remove what crashed runs left")
	removed, err := lab.CleanupScenarios(ctx)
	if err != nil {
		step.Fail(err)
		return err
	}
	step.Done("")
	if output == "json" {
		return report.JSON(a.Out, cleanupDocument(lab.Name(), removed))
	}
	if len(removed) == 0 {
		_, err = fmt.Fprintln(a.Out, "nothing was left")
		return err
	}
	_, err = fmt.Fprintf(a.Out, "removed: %s\n", strings.Join(removed, ", "))
	return err
}

func cleanupDocument(lab string, removed []string) any {
	return struct {
		Version int      `json:"version"`
		Lab     string   `json:"lab"`
		Removed []string `json:"removed"`
	}{1, lab, append([]string{}, removed...)}
}

// checkProgress shows the checks as they run.
type checkProgress struct {
	ui    *ui.Printer
	steps map[string]*ui.Step
}

func (p *checkProgress) event(e verify.Event) {
	switch e.Kind {
	case verify.EventStart:
		p.steps[e.Check] = p.ui.Start("check " + e.Check)
	case verify.EventRetry:
		p.steps[e.Check].Update(fmt.Sprintf("attempt %d: %s", e.Attempt, e.Detail))
	case verify.EventStep:
		p.steps[e.Check].Update(e.Detail)
	case verify.EventDone:
		step, ok := p.steps[e.Check]
		if !ok {
			return // skipped before it began
		}
		switch r := e.Result; r.Status {
		case report.Failed:
			step.Fail(fmt.Errorf("%s", r.Reason))
		case report.Warned:
			step.Done("warning: " + string(r.Reason))
		case report.Skipped:
			step.Skip(string(r.Reason))
		default:
			step.Done("")
		}
	}
}
