package automation

import (
	"context"
	"fmt"

	"github.com/meshwright/meshwright/mesh/topology"
	"github.com/meshwright/meshwright/verify"
)

// DrillOptions choose what a drill does.
type DrillOptions struct {
	Plan verify.FailoverPlan
	// Rules to measure, one after another; the lab's regions are filled in.
	Rules []DrillRule
	// Repeat is how often each is measured; at least once.
	Repeat   int
	Timeouts verify.Timeouts
	// Flags are verify.DrillOptions.Flags.
	Flags string
	// Progress hears of every step; may be nil.
	Progress func(step string)
}

// DrillRule is a failover rule to measure.
type DrillRule struct {
	Profile string           // topology.ZeroLoss or topology.Article
	Tuning  *topology.Tuning // overrides the profile
}

// Drill makes a region of the lab fail under load, on a workload of its own, and
// reports what was measured, also when it ended early, with an error.
func (l *Lab) Drill(ctx context.Context, o DrillOptions) (*verify.DrillReport, error) {
	outputs, err := l.Outputs(ctx)
	if err != nil {
		return nil, err
	}
	targets, err := outputs.Targets()
	if err != nil {
		return nil, fmt.Errorf("lab %s: %w", l.o.Name, err)
	}
	options := verify.DrillOptions{
		Targets: targets, Workload: outputs.Workload(), Deployer: l.Scenarios(),
		Timeouts: o.Timeouts, Plan: o.Plan, Repeat: o.Repeat, Progress: o.Progress,
	}
	for _, r := range o.Rules {
		rule := outputs.Rules().Failover
		rule.Profile, rule.Tuning = r.Profile, r.Tuning
		options.Rules = append(options.Rules, rule)
	}
	return verify.Drill(ctx, options)
}
