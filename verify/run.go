package verify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/meshwright/meshwright/load"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/mesh/topology"
	"github.com/meshwright/meshwright/report"
)

// Run checks the mesh and reports. The checks that only read run at the same
// time; timed ones follow, one after another. An error means that the run itself was impossible or was stopped; in
// that case there is a report too, of the checks that were done. A mesh that is wrong
// is a report with verdict fail.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := validate(o); err != nil {
		return nil, err
	}
	m := &session{
		workload: o.Workload,
		timeouts: o.Timeouts.withDefaults(),
		host:     mesh.Host{},
		deployer: o.Deployer, rules: o.Rules, sources: load.Vegeta{},
	}
	var done func()
	var err error
	m.members, done, err = mesh.Connect(o.Targets)
	defer done()
	if err != nil {
		return nil, err
	}
	return run(ctx, m, o)
}

func run(ctx context.Context, m *session, o Options) (*Report, error) {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := &runner{mesh: m, options: o, log: log}
	chosen := slices.DeleteFunc(slices.Clone(checks), func(c Check) bool { return c.Timed && !o.Full && !slices.Contains(o.Only, c.ID) })
	result := &Report{Version: report.FormatVersion, MeshID: o.MeshID, Started: time.Now(), Checks: make([]Result, len(chosen))}
	result.Clusters = clustersOf(o.Targets)
	var wg sync.WaitGroup
	for i, c := range chosen {
		if !c.Timed {
			wg.Go(func() { result.Checks[i] = r.check(ctx, c) })
		}
	}
	wg.Wait()
	for i, c := range chosen {
		if c.Timed {
			result.Checks[i] = r.check(ctx, c)
		}
	}
	result.Seconds = seconds(time.Since(result.Started))
	result.Judge()
	if ctx.Err() != nil {
		var findings []Finding
		for _, c := range result.Checks {
			findings = append(findings, c.Findings...)
		}
		return result, stopped(ctx, findings)
	}
	return result, nil
}

func clustersOf(targets []mesh.Cluster) []topology.Cluster {
	var out []topology.Cluster
	for _, t := range targets {
		out = append(out, t.Cluster)
	}
	return out
}

type runner struct {
	mesh    *session
	options Options
	log     *slog.Logger
	mu      sync.Mutex // one Progress call at a time
}

func (r *runner) emit(e Event) {
	if r.options.Progress == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.options.Progress(e)
}

// check tries c until it passes or its deadline is over.
func (r *runner) check(ctx context.Context, c Check) Result {
	result := Result{ID: c.ID, Title: c.Title, Proves: c.Proves, Required: true, Started: time.Now()}
	if only := r.options.Only; !(c.Timed && r.options.Full) && len(only) > 0 && !slices.Contains(only, c.ID) {
		result.Status, result.Reason, result.Summary = Skipped, ReasonNotSelected, "not selected"
		return result
	}
	if ctx.Err() != nil {
		interrupt(&result)
		return result
	}
	if lack, why, ok := r.mesh.lacks(c.Needs); !ok {
		result.Status, result.Reason, result.Summary, result.Remedy = Skipped, lack.Reason, why, lack.Remedy
		r.emit(Event{Kind: EventDone, Check: c.ID, Title: c.Title, Result: &result})
		return result
	}
	deadline := r.mesh.timeouts.of(c)
	result.Deadline = seconds(deadline)
	r.emit(Event{Kind: EventStart, Check: c.ID, Title: c.Title})

	var last *outcome
	for {
		result.Attempts++
		began := time.Now()
		out := r.attempt(ctx, c, last)
		r.log.Debug("attempt", "check", c.ID, "attempt", result.Attempts, "findings", len(out.findings), "took", time.Since(began))
		// An attempt that was cut off says less than the one before it.
		if last == nil || !out.timedOut {
			last = out
		}
		over := time.Since(result.Started)+r.mesh.timeouts.Interval >= deadline
		if !out.failed() || out.certain || r.options.Once || c.Timed || over || ctx.Err() != nil {
			break
		}
		out.sort(c.Reasons)
		why := out.findings[0].String()
		result.Retried = append(result.Retried, why)
		r.emit(Event{Kind: EventRetry, Check: c.ID, Title: c.Title, Attempt: result.Attempts, Detail: why})
		select {
		case <-ctx.Done():
		case <-time.After(r.mesh.timeouts.Interval):
		}
	}
	r.fill(ctx, c, &result, last)
	if ctx.Err() != nil && result.Status != Passed {
		interrupt(&result)
	}
	result.Seconds = seconds(time.Since(result.Started))
	r.emit(Event{Kind: EventDone, Check: c.ID, Title: c.Title, Result: &result})
	return result
}

// interrupt records that the check was not done: what it found is of its being cut
// off, but for what it left behind.
func interrupt(r *Result) {
	r.Status, r.Reason, r.Summary = Skipped, ReasonInterrupted, "the run was stopped before this was done"
	r.Remedy, r.Data, r.Evidence = report.Remedy{}, nil, nil
	r.Findings = slices.DeleteFunc(r.Findings, func(f Finding) bool { return f.Reason != ReasonNotRemoved })
}

// fill turns the last attempt into the result.
func (r *runner) fill(ctx context.Context, c Check, result *Result, out *outcome) {
	out.sort(c.Reasons)
	result.Findings, result.Data = out.reported(), out.data
	switch {
	case out.failed():
		result.Status = Failed
	case len(out.findings) > 0:
		result.Status = Warned
	default:
		result.Status, result.Summary = Passed, out.summary
		return
	}
	first := out.findings[0]
	result.Reason, result.Summary = first.Reason, first.String()
	if n := len(out.findings) - 1; n > 0 {
		result.Summary += fmt.Sprintf(" (and %d more)", n)
	}
	result.Remedy = c.remedy(first.Reason)
	ctx, cancel := context.WithTimeout(ctx, r.mesh.timeouts.Evidence)
	defer cancel()
	result.Evidence = out.gather(ctx)
}

// attempt runs c once, bounded, and turns a panic into a finding: a defect of
// a check must not become a verdict, nor take the caller's process down.
func (r *runner) attempt(ctx context.Context, c Check, before *outcome) (out *outcome) {
	bound := r.mesh.timeouts.Attempt
	if c.Timed {
		bound = r.mesh.timeouts.of(c)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, bound, errAttemptOver)
	defer cancel()
	out = &outcome{}
	defer func() {
		if p := recover(); p != nil {
			out = &outcome{}
			out.add(Finding{Reason: ReasonPanicked, Message: fmt.Sprintf("the check itself failed: %v", p)})
		}
	}()
	m := *r.mesh
	m.before = before
	m.say = func(step string) { r.emit(Event{Kind: EventStep, Check: c.ID, Title: c.Title, Detail: step}) }
	c.run(ctx, &m, out)
	if errors.Is(context.Cause(ctx), errAttemptOver) {
		out.timedOut = true
		if !out.failed() { // what was not looked at is unknown
			out.add(Finding{Reason: ReasonTimedOut, Message: fmt.Sprintf("not finished within %s", bound)})
		}
	}
	return out
}

var errAttemptOver = errors.New("the attempt's time is over")

func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }
