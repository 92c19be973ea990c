package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/drill"
	"github.com/meshwright/meshwright/internal/ui"
	"github.com/meshwright/meshwright/mesh/topology"
	"github.com/meshwright/meshwright/report"
	"github.com/meshwright/meshwright/verify"
)

func newDrillCmd(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drill",
		Short: "Break the mesh on purpose and measure what happens",
		Long: `Break a running lab's mesh on purpose, under a constant load, and measure how long
traffic takes to move, what is lost on the way, and how long it takes to come
back. A drill works on a workload of its own and removes it again; after a crash,
` + "`meshwright verify --cleanup`" + ` does.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDrainCmd(a))
	return cmd
}

// drain holds the flags of `drill drain`.
type drain struct {
	plan     drill.Plan
	profiles []string
	tunings  []string
	repeat   int
	svg      string
}

func newDrainCmd(a *App) *cobra.Command {
	var d drain
	cmd := &cobra.Command{
		Use:   "drain",
		Short: "Fail a region's sidecars under load, restore them, and measure",
		Long: `Put a constant, open-loop load on the sample from the failing region, from inside
the mesh and through its ingress; fail every sidecar of the sample there; restore
them; and report what was lost, when the first error came, how long it took until
all requests were answered by another region, and until all were back.

Faults:
  drain     the sidecars stop listening at once (Envoy's drain_listeners)
  graceful  they discourage connections first (drain_listeners?graceful)
  kill      the pods are deleted without notice

Profiles of the failover rule: zero-loss (Meshwright's) and article. --tuning adds
parts of zero-loss to the article's rule, to see what each one does.`,
		Example: `  meshwright drill drain
  meshwright drill drain --profile article,zero-loss --repeat 5
  meshwright drill drain --fault kill --requests 10000
  meshwright drill drain --tuning max-ejection --tuning max-ejection,retries
  meshwright drill drain --svg drain.svg --output json > drain.json`,
		Args: cobra.NoArgs,
	}
	f := addLabFlags(cmd)
	output := outputFlag(cmd, "table", "json")
	fs := cmd.Flags()
	fs.StringVar(&d.plan.Fault, "fault", drill.Drain.Faults[0], "how the region fails: "+strings.Join(drill.Drain.Faults, ", "))
	fs.StringVar(&d.plan.Region, "region", "", "the region that fails (default: the first that serves the sample)")
	fs.IntVar(&d.plan.Rate, "rate", 50, "requests per second from each load generator")
	fs.IntVarP(&d.plan.Requests, "requests", "n", 2400, "requests from each load generator in each run: a fifth before the fault, two while it lasts, two after")
	fs.IntVar(&d.repeat, "repeat", 1, "runs of each rule")
	fs.StringSliceVar(&d.profiles, "profile", nil, "profiles to measure: zero-loss, article (default zero-loss)")
	fs.StringArrayVar(&d.tunings, "tuning", nil, "measure the article's rule with these parts of zero-loss, comma-separated: "+
		strings.Join(drill.TuningNames(), ", ")+" (repeatable)")
	fs.StringVar(&d.svg, "svg", "", "draw the requests of each rule's last run into this file")
	complete(cmd, "fault", func(string) []string { return drill.Drain.Faults })
	complete(cmd, "profile", func(string) []string { return topology.Profiles() })
	complete(cmd, "tuning", func(string) []string { return drill.TuningNames() })
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, cancel := f.bounded(cmd.Context())
		defer cancel()
		return a.drain(ctx, f, d, *output)
	}
	return cmd
}

func (d *drain) rules() ([]automation.DrillRule, error) {
	var rules []automation.DrillRule
	profiles := d.profiles
	if len(profiles) == 0 && len(d.tunings) == 0 {
		profiles = []string{topology.ZeroLoss}
	}
	for _, p := range profiles {
		if !slices.Contains(topology.Profiles(), p) {
			return nil, usagef("--profile %q: use %s", p, strings.Join(topology.Profiles(), " or "))
		}
		rules = append(rules, automation.DrillRule{Profile: p})
	}
	for _, list := range d.tunings {
		tuning, err := drill.ParseTuning(strings.FieldsFunc(list, func(r rune) bool { return r == ',' }))
		if err != nil {
			return nil, usagef("--tuning: %v", err)
		}
		rules = append(rules, automation.DrillRule{Profile: topology.Article, Tuning: tuning})
	}
	return rules, nil
}

func (a *App) drain(ctx context.Context, f *labFlags, d drain, output string) error {
	switch {
	case !slices.Contains(drill.Drain.Faults, d.plan.Fault):
		return usagef("--fault %q: use %s", d.plan.Fault, strings.Join(drill.Drain.Faults, ", "))
	case d.plan.Rate < 1 || d.plan.Rate > 1000:
		return usagef("--rate %d: use 1 to 1000", d.plan.Rate)
	case d.plan.Requests < 10*d.plan.Rate:
		return usagef("--requests %d: at %d per second use at least %d, ten seconds", d.plan.Requests, d.plan.Rate, 10*d.plan.Rate)
	case d.repeat < 1:
		return usagef("--repeat %d: use 1 or more", d.repeat)
	}
	rules, err := d.rules()
	if err != nil {
		return err
	}
	lab, err := a.lab(ctx, f, nil)
	if err != nil {
		return err
	}
	var step *ui.Step
	report, err := lab.Drill(ctx, drill.Drain, automation.DrillOptions{
		Plan: d.plan, Rules: rules, Repeat: d.repeat,
		Progress: func(what string) {
			if step != nil {
				step.Done("")
			}
			step = a.UI.Start(what)
		},
	})
	if step != nil {
		if err != nil {
			step.Fail(err)
		} else {
			step.Done("")
		}
	}
	if report == nil {
		return err
	}
	return errors.Join(err, a.showDrill(report, d.svg, output, labFlagsOf(lab)))
}

// showDrill shows what was measured, also when a drill ended early.
func (a *App) showDrill(measured *drill.Report, svg, output, flags string) error {
	if svg != "" {
		if err := a.draw(svg, measured); err != nil {
			return err
		}
	}
	if output == "json" {
		return measured.JSON(a.Out)
	}
	return measured.Table(a.Out, func(f report.Finding) string {
		return remedies(flags)(verify.RemedyOf(f.Reason))
	})
}

// draw writes the last run of every rule into path; with several rules each gets
// a file of its own, drain-article.svg beside drain-zero-loss.svg.
func (a *App) draw(path string, report *drill.Report) error {
	charts := report.Charts()
	for _, c := range charts {
		file := path
		if len(charts) > 1 {
			ext := filepath.Ext(path)
			file = strings.TrimSuffix(path, ext) + "-" + c.Rule + ext
		}
		var b bytes.Buffer
		if err := c.Chart.SVG(&b); err != nil {
			return err
		}
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil { //nolint:gosec // a picture to be shown
			return err
		}
		a.UI.Info("timeline: " + file)
	}
	return nil
}
