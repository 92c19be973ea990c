package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/meshwright/meshwright/internal/ui"
	"github.com/meshwright/meshwright/load/call"
	"github.com/meshwright/meshwright/load/traffic"
	"github.com/meshwright/meshwright/report"
)

func newTrafficCmd(a *App) *cobra.Command {
	var o traffic.Options
	cmd := &cobra.Command{
		Use:   "traffic",
		Short: "Call the sample without end, counting who answers",
		Long: `Call the sample again and again, from the client pod of a cluster or through a
cluster's ingress address, and count the answers by version, cluster and region
until Ctrl-C, which prints the sum and ends with exit code 0.`,
		Example: `  meshwright traffic                                   from the first cluster's client, until Ctrl-C
  meshwright traffic --from cluster2 --via ingress     through the second cluster's ingress
  meshwright traffic --count 200 --rate 0 -o json      200 requests as fast as answers come`,
		Args: cobra.NoArgs,
	}
	f := addLabFlags(cmd)
	output := outputFlag(cmd, "table", "json")
	fs := cmd.Flags()
	fs.StringVar(&o.From, "from", "", "cluster whose client or ingress is used (default: the first)")
	fs.StringVar(&o.Via, "via", traffic.ViaMesh, "mesh: from the client pod; ingress: through the ingress address")
	fs.Float64Var(&o.Rate, "rate", 5, "requests per second; 0 is as fast as answers come, one after another")
	fs.IntVarP(&o.Count, "count", "n", 0, "stop after this many requests (0: at Ctrl-C)")
	a.completeClusters(cmd, f, "from")
	complete(cmd, "via", func(string) []string { return []string{traffic.ViaMesh, traffic.ViaIngress} })
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		// --timeout is a way to stop like Ctrl-C, not a failure.
		ctx, cancel := f.bounded(cmd.Context())
		defer cancel()
		return a.traffic(ctx, f, o, *output)
	}
	return cmd
}

// trafficLine is how often a plain log hears of the traffic.
const trafficLine = 5 * time.Second

func (a *App) traffic(ctx context.Context, f *labFlags, o traffic.Options, output string) error {
	switch {
	case o.Via != traffic.ViaMesh && o.Via != traffic.ViaIngress:
		return usagef("--via %q: use %s or %s", o.Via, traffic.ViaMesh, traffic.ViaIngress)
	case o.Rate < 0 || o.Rate > traffic.MaxRate:
		return usagef("--rate %g: use 0 (as fast as answers come) to %d", o.Rate, traffic.MaxRate)
	case o.Count < 0:
		return usagef("--count %d: use 0 (until Ctrl-C) or more", o.Count)
	}
	lab, err := a.lab(ctx, f, nil)
	if err != nil {
		return err
	}
	outputs, err := lab.Outputs(ctx)
	if err != nil {
		return err
	}
	if o.Targets, err = outputs.Targets(); err != nil {
		return err
	}
	o.Workload = outputs.Workload()
	show := &trafficProgress{ui: a.UI, live: isTerminal(a.Err), every: trafficLine, told: time.Now()}
	o.OnRecord = show.record
	sum, err := traffic.Run(ctx, o)
	show.end(err)
	if errors.Is(err, traffic.ErrNoClient) {
		return fmt.Errorf("%w; %s", err, remedies(lab.Flags())(report.Remedy{Operation: report.OperationUp, Text: "bring the lab up"}))
	}
	if err != nil {
		return err
	}
	if output == "json" {
		return sum.JSON(a.Out)
	}
	return sum.Table(a.Out)
}

// trafficProgress shows the counts: a live line on a terminal, a line now and
// then elsewhere.
type trafficProgress struct {
	ui    *ui.Printer
	step  *ui.Step
	live  bool
	every time.Duration
	told  time.Time
}

func (p *trafficProgress) record(_ call.Record, s *traffic.Summary) {
	if p.step == nil {
		p.step = p.ui.Start(fmt.Sprintf("traffic from %s via %s", s.From, s.Via))
	}
	p.step.Update(s.Line())
	if !p.live && time.Since(p.told) >= p.every {
		p.told = time.Now()
		p.ui.Info("  " + s.Line())
	}
}

func (p *trafficProgress) end(err error) {
	if p.step == nil {
		return
	}
	if err != nil {
		p.step.Fail(err)
		return
	}
	p.step.Done("stopped")
}
