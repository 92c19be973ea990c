package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/meshwright/meshwright/fault"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/mesh/topology"
	"github.com/meshwright/meshwright/report"
)

// Options are the inputs of Run.
type Options struct {
	// Setting is the mesh; its workload says what each cluster serves. A run calls
	// one of its own.
	Setting
	Plan     Plan
	Deployer mesh.Deployer
	// Rules to measure, one after another.
	Rules []topology.Rule
	// Repeat is how often each is measured; at least once.
	Repeat int
	// Settled waits until every proxy knows a workload, and returns what is still
	// missing at the end of its time. It may be nil.
	Settled func(context.Context, mesh.Workload) []report.Finding
	// Progress hears of every step; may be nil.
	Progress func(step string)
}

// StoppedError is the error of a drill whose context ended.
type StoppedError struct {
	Cause error
	Left  []report.Finding // what of it is left in the mesh
}

func (e *StoppedError) Error() string {
	if len(e.Left) == 0 {
		return fmt.Sprintf("drill stopped: %v\nnothing of it is left in the mesh", e.Cause)
	}
	return fmt.Sprintf("drill stopped: %v\nleft in the mesh: %s", e.Cause, e.Left[0])
}

func (e *StoppedError) Unwrap() error { return e.Cause }

// Run injects the fault under load as often as asked, under every rule, and reports
// what was measured. It judges nothing but the budget, and what makes a figure
// worthless: a run that could not be made, or of which a record is missing, ends the
// drill with an error. What was measured until then is reported with it. A mesh that
// does not meet the drill's needs is a *fault.NeedError, a stopped drill a *StoppedError.
func (d Drill) Run(ctx context.Context, o Options) (*Report, error) {
	subject := &fault.Subject{Members: o.Members, Workload: o.Workload, NodeExec: o.NodeExec}
	if o.Deployer == nil {
		return nil, fmt.Errorf("drill %s needs a workload of its own, which only the lab's owner may deploy", d.Name)
	}
	if err := fault.Check(subject, d.Needs); err != nil {
		return nil, fmt.Errorf("drill %s %w", d.Name, err)
	}
	plan, err := o.Plan.withDefaults(d, o.Members, o.Workload)
	if err != nil {
		return nil, err
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	r := &Report{
		Version: FormatVersion, Drill: plan.Fault, Started: time.Now(),
		Requests: plan.load(0).Scheduled(), Rate: plan.Rate, Repeat: max(1, o.Repeat),
	}
	for _, m := range o.Members {
		r.Clusters = append(r.Clusters, m.Cluster.Cluster)
	}
	for _, rule := range o.Rules {
		if err = d.measureRule(ctx, o, plan, rule, r); err != nil {
			break
		}
	}
	r.Seconds = seconds(time.Since(r.Started))
	return r, err
}

// measureRule adds the runs of one rule to the report, and their summary.
func (d Drill) measureRule(ctx context.Context, o Options, plan Plan, rule topology.Rule, r *Report) error {
	name := label(rule)
	say := func(step string) { o.Progress(name + ": " + step) }
	var findings []report.Finding
	say("deploying")
	deployErr, removeErr := mesh.InScenario(ctx, o.Deployer, mesh.Scenario{Name: "drill", Traffic: rule}, func(w mesh.Workload) {
		defer say("removing the workload")
		setting := o.Setting
		setting.Workload = w
		for n := range r.Repeat {
			if o.Settled != nil { // the pods are new ones in every run
				findings = append(findings, o.Settled(ctx, w)...)
			}
			if len(findings) > 0 {
				return
			}
			say(fmt.Sprintf("run %d of %d", n+1, r.Repeat))
			data, found := d.Measure(ctx, setting, plan)
			r.Runs = append(r.Runs, Run{Rule: name, Data: data, Findings: found})
			findings = append(findings, found...)
		}
	})
	if deployErr != nil {
		findings = append(findings, report.Finding{Reason: ReasonNotDeployed, Object: "scenario drill", Message: deployErr.Error()})
	}
	r.Rules = append(r.Rules, r.sum(name))
	for _, over := range d.Budget.over(r.Rules[len(r.Rules)-1]) {
		r.OverBudget = append(r.OverBudget, name+": "+over)
	}
	var left []report.Finding
	if removeErr != nil {
		left = []report.Finding{{Reason: ReasonNotRemoved, Object: "scenario drill", Message: removeErr.Error(), Warning: true}}
		r.Findings = append(r.Findings, left...)
	}
	switch {
	case ctx.Err() != nil:
		return &StoppedError{Cause: context.Cause(ctx), Left: left}
	case len(findings) > 0:
		slices.SortStableFunc(findings, func(a, b report.Finding) int { return strings.Compare(a.Cluster, b.Cluster) })
		return errors.New("rule " + name + ": " + findings[0].String())
	}
	return nil
}
