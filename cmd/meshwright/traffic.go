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
		Short: "Call the sample repeatedly and count the answers",
		Long: `Call the sample repeatedly, from the client pod of a cluster or through a
cluster's ingress address, and count the answers by version, cluster and region.
Ctrl-C stops the traffic, prints the sum and ends with exit code 0.`,
		Example: `  meshwright traffic                                   from the first cluster's client, until Ctrl-C
  meshwright traffic --from cluster2 --via ingress     through the second cluster's ingress
  meshwright traffic --count 200 --rate 0 -o json      200 requests as fast as answers come`,
	}
	f := addLabFlags(cmd)
	output := outputFlag(cmd, "table", "json")
	fs := cmd.Flags()
	fs.StringVar(&o.From, "from", "", "cluster whose client or ingress is used (default: the first)")
	via := choiceFlag(cmd, "via", "", "mesh: from the client pod; ingress: through the ingress address", traffic.ViaMesh, traffic.ViaIngress)
	fs.Float64Var(&o.Rate, "rate", 5, "requests per second; 0 is as fast as answers come, one after another")
	fs.IntVarP(&o.Count, "count", "n", 0, "stop after this many requests (0: at Ctrl-C)")
	a.completeClusters(cmd, f, "from")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o.Via = *via
		// --timeout stops the traffic like Ctrl-C; it is no failure.
		ctx, cancel := f.bounded(cmd.Context())
		defer cancel()
		return a.traffic(ctx, f, o, *output)
	}
	return cmd
}

// trafficLine is how often a plain log shows the traffic.
const trafficLine = 5 * time.Second

func (a *App) traffic(ctx context.Context, f *labFlags, o traffic.Options, output string) error {
	switch {
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
		return report.WithRemedies(err, report.Remedy{Operation: report.OperationUp, Text: "bring the lab up"})
	}
	if err != nil {
		return err
	}
	if output == "json" {
		return sum.JSON(a.Out)
	}
	return sum.Table(a.Out)
}

// trafficProgress shows the counts: a live line on a terminal, elsewhere a line from
// time to time.
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
