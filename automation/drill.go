package automation

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/meshwright/meshwright/drill"
	"github.com/meshwright/meshwright/fault"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/mesh/topology"
	"github.com/meshwright/meshwright/report"
	"github.com/meshwright/meshwright/verify"
)

// DrillOptions choose what a drill does.
type DrillOptions struct {
	Plan drill.Plan
	// Rules to measure, one after another; the lab's regions are filled in.
	Rules []DrillRule
	// Repeat is how often each is measured; at least once.
	Repeat   int
	Timeouts verify.Timeouts
	// Progress hears of every step; may be nil.
	Progress func(step string)
}

// DrillRule is a failover rule to measure.
type DrillRule struct {
	Profile string           // topology.ZeroLoss or topology.Article
	Tuning  *topology.Tuning // overrides the profile
}

// Drill runs a drill on the lab, on a workload of its own, and reports what was
// measured, also when it ended early, with an error. report.Remedies says what
// to do about the error.
func (l *Lab) Drill(ctx context.Context, d drill.Drill, o DrillOptions) (*drill.Report, error) {
	outputs, err := l.Outputs(ctx)
	if err != nil {
		return nil, err
	}
	targets, err := outputs.Targets()
	if err != nil {
		return nil, fmt.Errorf("lab %s: %w", l.o.Name, err)
	}
	members, done, err := mesh.Connect(targets)
	defer done()
	if err != nil {
		return nil, fmt.Errorf("lab %s: %w", l.o.Name, err)
	}
	ready := verify.Readiness{Members: members, Timeouts: o.Timeouts}
	options := drill.Options{
		Setting:  drill.Setting{Members: members, Workload: outputs.Workload(), Timeout: o.Timeouts.Request, Localities: ready.Localities},
		Deployer: l.Scenarios(), Settled: ready.Settled,
		Plan: o.Plan, Repeat: o.Repeat, Progress: o.Progress,
	}
	for _, r := range o.Rules {
		rule := outputs.Rules().Failover
		rule.Profile, rule.Tuning = r.Profile, r.Tuning
		options.Rules = append(options.Rules, rule)
	}
	report, err := d.Run(ctx, options)
	return report, withDrillRemedy(err)
}

func withDrillRemedy(err error) error {
	var stopped *drill.StoppedError
	var need *fault.NeedError
	switch {
	case errors.As(err, &stopped) && len(stopped.Left) > 0:
		return report.WithRemedies(err, verify.RemedyOf(verify.ReasonNotRemoved))
	case errors.As(err, &need):
		return report.WithRemedies(err, verify.Capability(strings.ToLower(need.Need)).Missing().Remedy)
	}
	return err
}
