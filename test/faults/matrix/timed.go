package matrix

import (
	"context"
	"fmt"

	"github.com/meshwright/meshwright/fault"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/verify"
)

// TimedOptions choose what RunTimed plays.
type TimedOptions struct {
	Options
	Deployer mesh.Deployer
	Rules    mesh.Rules
}

// RunTimed plays each fault with the check that must see it, and sees every check
// green on the healthy mesh once: after the restore, where one of its faults was in
// the mesh itself, else before. Rows are as Run's.
func RunTimed(ctx context.Context, o TimedOptions) ([]Row, error) {
	subject, done, err := o.open()
	defer done()
	if err != nil {
		return nil, err
	}
	if err := fault.Check(subject, []fault.Need{fault.TwoPrimaries}); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, f := range TimedFaults() {
		if o.wants(f.Name) && !f.OnWorkload {
			seen[timed[f.Name].check] = true
		}
	}
	for _, f := range TimedFaults() {
		if check := timed[f.Name].check; o.wants(f.Name) && !seen[check] {
			seen[check] = true
			if err := o.mustBeGreen(ctx, check); err != nil {
				return nil, err
			}
		}
	}
	var rows []Row
	for _, f := range TimedFaults() {
		if !o.wants(f.Name) {
			continue
		}
		row, err := o.play(ctx, subject, f)
		rows = append(rows, row)
		if err != nil {
			return rows, fmt.Errorf("fault %s: %w", f.Name, err)
		}
	}
	return rows, nil
}

func (o TimedOptions) mustBeGreen(ctx context.Context, check string) error {
	o.Progress("", "check "+check+" must be green")
	report, err := o.look(ctx, check, o.Deployer)
	if err != nil {
		return err
	}
	if c := report.Check(check); c.Status != verify.Passed {
		return fmt.Errorf("check %s is not green on a healthy mesh: %s", check, c.Summary)
	}
	return nil
}

func (o TimedOptions) look(ctx context.Context, check string, d mesh.Deployer) (*verify.Report, error) {
	return verify.Run(ctx, verify.Options{
		Targets: o.Targets, Workload: o.Workload, Only: []string{check}, Deployer: d, Rules: o.Rules,
	})
}

// play lets the check look while the fault is in force: a fault of the mesh before
// the check deploys its workload, a fault of the workload as soon as it is deployed.
func (o TimedOptions) play(ctx context.Context, s *fault.Subject, f fault.Fault) (Row, error) {
	declared := timed[f.Name]
	row := Row{Fault: f.Name, Title: f.Title, Want: map[string]Outcome{declared.check: declared.want}}
	deployer := o.Deployer
	if f.OnWorkload {
		deployer = &faulty{Deployer: o.Deployer, fault: f, subject: *s}
	}
	look := func() {
		report, err := o.look(ctx, declared.check, deployer)
		if err != nil {
			row.Error = err.Error()
			return
		}
		c := report.Check(declared.check)
		row.Got = map[string]Outcome{declared.check: {Status: c.Status, Reason: c.Reason}}
		if row.Got[declared.check] != declared.want {
			row.Error, row.LastSeen = difference(row.Want, row.Got), report
		}
	}
	if f.OnWorkload { // it goes with the workload
		row.Seen = o.watch(&row, look)
		return row, nil
	}
	err := o.through(ctx, &row, f, s, look, func() error { return o.mustBeGreen(ctx, declared.check) })
	return row, err
}

// faulty injects a fault into every workload that it deploys.
type faulty struct {
	mesh.Deployer
	fault   fault.Fault
	subject fault.Subject
}

func (d *faulty) Deploy(ctx context.Context, s mesh.Scenario) (mesh.Workload, error) {
	w, err := d.Deployer.Deploy(ctx, s)
	if err != nil {
		return w, err
	}
	d.subject.Workload = w
	record, err := d.fault.Prepare(ctx, &d.subject)
	if err != nil {
		return w, err
	}
	return w, d.fault.Inject(ctx, &d.subject, record)
}
