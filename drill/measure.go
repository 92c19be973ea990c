package drill

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/meshwright/meshwright/fault"
	"github.com/meshwright/meshwright/load"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/report"
)

// Reasons of findings.
const (
	ReasonProbeFailed     report.Reason = "ProbeFailed"     // something could not be asked, injected or restored
	ReasonClientMissing   report.Reason = "ClientMissing"   // no ready pod to make load from
	ReasonRecordsLost     report.Reason = "RecordsLost"     // fewer records than requests
	ReasonLocalityUnknown report.Reason = "LocalityUnknown" // an answer came from a pod in no known region
	ReasonNotDeployed     report.Reason = "NotDeployed"     // the workload did not come up
	ReasonNotRemoved      report.Reason = "NotRemoved"      // warning: something of the workload is left
)

// Setting is the mesh in which runs are made.
type Setting struct {
	Members []*mesh.Member
	// Workload is what is called; Traffic is the rule in force.
	Workload mesh.Workload
	Sources  load.Sources  // default load.Vegeta
	Timeout  time.Duration // of one request; default 3 s
	NodeExec fault.NodeExec
	// Localities finds the generators whose proxy does not know in which region an
	// endpoint is. It may be nil.
	Localities func(context.Context, mesh.Workload, []load.Generator) []report.Finding
}

// restoreWithin bounds the restore of a fault after a run that was stopped.
const restoreWithin = 5 * time.Minute

// Measure makes one run of the drill on a workload that is deployed and that every
// proxy knows. With findings the data is nil, or lacks the generators that they are
// about.
func (d Drill) Measure(ctx context.Context, s Setting, p Plan) (*Data, []report.Finding) {
	failed := func(reason report.Reason, object string, err error) (*Data, []report.Finding) {
		return nil, []report.Finding{{Reason: reason, Object: object, Message: err.Error()}}
	}
	if s.Timeout == 0 {
		s.Timeout = 3 * time.Second
	}
	if s.Sources == nil {
		s.Sources = load.Vegeta{}
	}
	p, err := p.withDefaults(d, s.Members, s.Workload)
	if err != nil {
		return failed(ReasonProbeFailed, "", err)
	}
	generators, err := load.Generators(ctx, s.Sources, within(s.Members, p.Region), s.Workload, s.Timeout)
	if e := (*load.GeneratorError)(nil); errors.As(err, &e) {
		reason := ReasonProbeFailed
		if e.Missing {
			reason = ReasonClientMissing
		}
		return nil, []report.Finding{{Reason: reason, Cluster: e.Cluster, Message: e.Err.Error()}}
	}
	generators = slices.DeleteFunc(generators, func(g load.Generator) bool { return !slices.Contains(d.Load.Via, g.Via) })
	if s.Localities != nil {
		if findings := s.Localities(ctx, s.Workload, generators); len(findings) > 0 {
			return nil, findings
		}
	}
	rule := s.Workload.Traffic
	data := &Data{Rule: rule, Region: p.Region, To: rule.Failover[p.Region], Fault: p.Fault, Rate: p.Rate}
	where := mesh.Homes(ctx, s.Members, s.Workload)
	load.Drive(ctx, generators, load.Plan{Rate: p.Rate, Duration: load.WarmUp, Timeout: s.Timeout})

	plan := p.load(s.Timeout)
	data.Started = time.Now()
	var traces []load.Trace
	done := make(chan struct{})
	go func() {
		defer close(done)
		traces = load.Drive(ctx, generators, plan)
	}()
	err = d.injectAndRestore(ctx, s, p, plan.Duration, data)
	<-done
	if err != nil {
		return failed(ReasonProbeFailed, "region "+p.Region, err)
	}
	maps.Copy(where, mesh.Homes(ctx, s.Members, s.Workload)) // of the pods that came after the fault
	var findings []report.Finding
	for _, t := range traces {
		add := func(reason report.Reason, message string) {
			findings = append(findings, report.Finding{Reason: reason, Cluster: t.From.Name, Object: t.String(), Message: message})
		}
		if err := t.Complete(plan); err != nil {
			add(ReasonRecordsLost, err.Error())
			continue
		}
		strangers := placeless(t, where)
		for _, pod := range slices.Sorted(maps.Keys(strangers)) {
			add(ReasonLocalityUnknown, fmt.Sprintf("%s came from pod %q, which was in no known region when the run began or ended", report.Count(strangers[pod], "answer"), pod))
		}
		if len(strangers) == 0 {
			data.Generators = append(data.Generators, data.figures(t, plan, where))
		}
	}
	return data, findings
}

// placeless counts the answers of pods of which it is not known where they ran: they
// are in nobody's favour.
func placeless(t load.Trace, where map[string]mesh.Cluster) map[string]int {
	out := map[string]int{}
	for _, r := range t.Records {
		if r.OK() && where[r.Instance].Region == "" {
			out[r.Instance]++
		}
	}
	return out
}

// injectAndRestore breaks the mesh and restores it, each at its time, and notes what
// was struck and the moments.
func (d Drill) injectAndRestore(ctx context.Context, s Setting, p Plan, whole time.Duration, data *Data) (err error) {
	f, err := fault.Named(p.Fault)
	if err != nil {
		return err
	}
	subject := &fault.Subject{Members: s.Members, Workload: s.Workload, Region: p.Region, NodeExec: s.NodeExec}
	note := func(what string) {
		data.Events = append(data.Events, Moment{At: seconds(time.Since(data.Started)), What: what})
	}
	at := func(part float64) error {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Until(data.Started.Add(time.Duration(part * float64(whole))))):
			return nil
		}
	}
	record, err := f.Prepare(ctx, subject)
	if err != nil {
		return err
	}
	defer func() { // a fault of the workload goes with it
		if err != nil && !f.OnWorkload {
			fresh, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreWithin)
			defer cancel()
			err = errors.Join(err, f.Restore(fresh, subject, record))
		}
	}()
	data.Failed = record.Objects
	if err := at(d.Phases.Steady); err != nil {
		return err
	}
	note(MomentFault)
	if err := f.Inject(ctx, subject, record); err != nil {
		return err
	}
	note(MomentFaulted)
	if !f.SelfHealing {
		if err := at(d.Phases.Steady + d.Phases.Fault); err != nil {
			return err
		}
		note(MomentRestore)
	}
	if err := f.Restore(ctx, subject, record); err != nil {
		return err
	}
	note(MomentRestored)
	return nil
}

func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }
