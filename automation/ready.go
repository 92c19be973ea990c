package automation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/report"
	"github.com/meshwright/meshwright/verify"
)

// Deadlines are how long Up waits for what it has created, changed or started. A zero
// field takes its default.
type Deadlines struct {
	APIServers time.Duration // until every API server answers; default 3m
	Workloads  time.Duration // then until nodes are ready and rollouts complete; default 6m
	Mesh       time.Duration // then until every check passes; default 4m
	Drift      time.Duration // then, how long a check may fail whose remedy is a refresh; default 90s
	Interval   time.Duration // between two looks; default 500ms
	Request    time.Duration // bound of one look at one cluster; default 10s
}

func (d Deadlines) withDefaults() Deadlines {
	for field, value := range map[*time.Duration]time.Duration{
		&d.APIServers: 3 * time.Minute, &d.Workloads: 6 * time.Minute, &d.Mesh: 4 * time.Minute, &d.Drift: 90 * time.Second,
		&d.Interval: 500 * time.Millisecond, &d.Request: 10 * time.Second,
	} {
		if *field == 0 {
			*field = value
		}
	}
	return d
}

// NotReadyError says what a lab that is up waited for in vain.
type NotReadyError struct {
	Lab     string
	Waited  string // "API servers", "workloads" or "mesh"
	Within  time.Duration
	Missing []string // the last state, cause first
	// Drift: what is missing does not come by itself, since somebody changed the
	// clusters by hand. Nothing was waited for.
	Drift bool
	Err   error // the end of the caller's context, or nil
}

func (e *NotReadyError) Error() string {
	what := fmt.Sprintf("lab %s: the %s were not ready within %s", e.Lab, e.Waited, e.Within)
	switch {
	case e.Drift:
		what = fmt.Sprintf("lab %s was changed by hand", e.Lab)
	case e.Err != nil:
		what = fmt.Sprintf("lab %s: stopped while waiting for the %s", e.Lab, e.Waited)
	}
	return what + ":\n  " + strings.Join(e.Missing, "\n  ")
}

func (e *NotReadyError) Unwrap() error { return e.Err }

// Remedies restore what was changed, or go on waiting.
func (e *NotReadyError) Remedies() []report.Remedy {
	if e.Drift {
		return []report.Remedy{{Text: "to restore it", Operation: report.OperationRefresh}}
	}
	return []report.Remedy{
		{Text: "to wait on", Operation: report.OperationUp},
		{Text: "to restore what was changed by hand", Operation: report.OperationRefresh},
	}
}

// WaitType is the Type of events about what Up waits for, which Name names.
const WaitType = "meshwright:automation:Wait"

// state is what a look at the clusters saw.
type state struct {
	missing []string
	drift   []string
}

// waiter waits for the stages of one lab's way back.
type waiter struct {
	lab       string
	deadlines Deadlines
	emit      func(Event)
	woke      bool // something was missing, in this stage or in one before
}

// wait looks until nothing is missing; what comes back may come and go at first, so that
// then it takes two looks in a row. Its events begin when the first look does not suffice.
func (w *waiter) wait(ctx context.Context, what string, within time.Duration, look func(context.Context) state) error {
	began := time.Now()
	event := func(kind EventKind, message string) {
		w.emit(Event{
			Time: time.Now(), Operation: opUp.name, Kind: kind, Op: "wait", Type: WaitType, URN: WaitType + "::" + what, Name: what,
			Message: message, Elapsed: time.Since(began),
		})
	}
	last, calm := "", 0
	var before state
	for {
		now := look(ctx)
		if ctx.Err() != nil && len(before.missing) > 0 {
			now = before // a look that was cut off says less
		}
		before = now
		switch {
		case len(now.drift) > 0:
			if last != "" {
				event(EventFailed, "")
			}
			return &NotReadyError{Lab: w.lab, Waited: what, Missing: now.drift, Drift: true}
		case len(now.missing) == 0:
			if calm++; calm < 2 && w.woke {
				continue
			}
			if last != "" {
				event(EventDone, "")
			}
			return nil
		}
		calm, w.woke = 0, true
		if last == "" {
			event(EventStart, "")
		}
		text := now.missing[0]
		if n := len(now.missing) - 1; n > 0 {
			text += fmt.Sprintf(" (and %d more)", n)
		}
		if text != last {
			event(EventStatus, text)
			last = text
		}
		err := &NotReadyError{Lab: w.lab, Waited: what, Within: within, Missing: now.missing}
		if time.Since(began) > within {
			event(EventFailed, "")
			return err
		}
		select {
		case <-ctx.Done():
			event(EventFailed, "")
			err.Err = ctx.Err()
			return err
		case <-time.After(w.deadlines.Interval):
		}
	}
}

// awaitReady waits until a lab that is up answers: its API servers, its nodes and
// workloads, and then its mesh by the same checks as Verify, since statuses that nodes
// wrote before they were stopped say nothing of the time after.
func (l *Lab) awaitReady(ctx context.Context, o *Outputs) error {
	w := &waiter{lab: l.o.Name, deadlines: l.o.Deadlines.withDefaults(), emit: l.o.Events}
	targets, err := o.Targets()
	if err != nil {
		return err
	}
	members, done, err := mesh.Connect(targets)
	defer done()
	if err != nil {
		return err
	}
	if err := w.wait(ctx, "API servers", w.deadlines.APIServers, w.each(members, apiServer)); err != nil {
		return err
	}
	workload := o.Workload()
	look := func(ctx context.Context, m *mesh.Member) state { return workloads(ctx, m, workload) }
	if err := w.wait(ctx, "workloads", w.deadlines.Workloads, w.each(members, look)); err != nil {
		return err
	}
	since := map[string]time.Time{}
	return w.wait(ctx, "mesh", w.deadlines.Mesh, func(ctx context.Context) state {
		r, err := verify.Run(ctx, verify.Options{
			Targets: targets, Workload: workload, MeshID: o.MeshID, Rules: o.Rules(), Once: true, Log: l.o.Log,
			Timeouts: verify.Timeouts{Evidence: time.Nanosecond}, // there will be another look
		})
		if err != nil {
			return state{missing: []string{err.Error()}}
		}
		return failures(r, since, w.deadlines.Drift)
	})
}

// failures are the findings of the checks that failed, the causes before the consequences.
// One whose remedy is a refresh, and that stays for as long as within, is drift. since
// keeps when each was first seen, as long as it is.
func failures(r *verify.Report, since map[string]time.Time, within time.Duration) state {
	var out state
	now := time.Now()
	seen := map[string]bool{}
	for _, c := range r.Checks {
		if c.Status != report.Failed {
			continue
		}
		refreshes := c.Remedy.Operation == report.OperationRefresh
		for _, f := range c.Findings {
			if f.Warning {
				continue
			}
			text := "check " + c.ID + ": " + f.String()
			out.missing = append(out.missing, text)
			if !refreshes || f.Reason != c.Reason {
				continue
			}
			key := strings.Join([]string{c.ID, string(f.Reason), f.Cluster, f.Object}, " ")
			seen[key] = true
			if _, ok := since[key]; !ok {
				since[key] = now
			}
			if now.Sub(since[key]) > within {
				out.drift = append(out.drift, text)
			}
		}
	}
	maps.DeleteFunc(since, func(key string, _ time.Time) bool { return !seen[key] })
	return out
}

// awaitAPIServers waits until the API servers answer of all clusters that exist, before a
// refresh asks them what they hold. A cluster that does not answer is not gone; one
// without its control plane's node is.
func (l *Lab) awaitAPIServers(ctx context.Context, gone []string) error {
	o, err := l.Outputs(ctx)
	if err != nil {
		return nil //nolint:nilerr // the first up has not come this far; the providers wait, too
	}
	targets, err := o.Targets()
	if err != nil {
		return err
	}
	targets = slices.DeleteFunc(targets, func(c mesh.Cluster) bool {
		return slices.ContainsFunc(c.Nodes, func(node string) bool {
			return strings.HasSuffix(node, "-control-plane") && slices.Contains(gone, node)
		})
	})
	members, done, err := mesh.Connect(targets)
	defer done()
	if err != nil {
		return err
	}
	w := &waiter{lab: l.o.Name, deadlines: l.o.Deadlines.withDefaults(), emit: l.o.Events}
	return w.wait(ctx, "API servers", w.deadlines.APIServers, w.each(members, apiServer))
}
