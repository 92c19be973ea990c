package automation

import (
	"context"
	"errors"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"

	"github.com/meshwright/meshwright/automation/events"
	"github.com/meshwright/meshwright/automation/internal/engine"
	"github.com/meshwright/meshwright/automation/internal/recovery"
)

var opUp = operation{name: "up", runsProgram: true, makesNodes: true, recovers: forgetPending}

// UpOption changes one Up.
type UpOption func(*upOptions)

type upOptions struct{ expectNoChanges, refresh bool }

// WithRefresh reads the real state of every resource before Up compares it with the
// settings. Without it Up detects nodes that are gone or stopped, but no changes
// inside the clusters.
func WithRefresh() UpOption { return func(o *upOptions) { o.refresh = true } }

// ExpectNoChanges makes Up return a *ChangesError before it changes anything. The
// engine's own flag reports a change after it was made.
func ExpectNoChanges() UpOption { return func(o *upOptions) { o.expectNoChanges = true } }

// UpResult is a lab that is up.
type UpResult struct {
	Outputs  *Outputs
	Counts   map[string]int // resources by op: create, update, same, ...
	Timeline []Timing       // resources worked on, in the order in which they ended
	Duration time.Duration
}

// Changed reports whether anything was done.
func (r *UpResult) Changed() bool {
	for op, n := range r.Counts {
		if op != "same" && n > 0 {
			return true
		}
	}
	return false
}

// Up brings the lab up or up to date and returns when its mesh answers. It changes
// nothing when the lab is as its settings say. After a failure or a cancellation the next
// Up continues from what exists. It returns a *HeldError when another Pulumi state holds
// the lab, and a *NotReadyError for a lab that is up and does not answer in time.
func (l *Lab) Up(ctx context.Context, opts ...UpOption) (*UpResult, error) {
	var o upOptions
	for _, opt := range opts {
		opt(&o)
	}
	began := time.Now()
	s, err := l.open(ctx, opUp)
	if err != nil {
		return nil, err
	}
	if o.expectNoChanges {
		c, err := s.preview(ctx)
		if err == nil && len(c.Changes) > 0 {
			err = &ChangesError{Lab: l.o.Name, Changes: c.Changes}
		}
		if err != nil {
			return nil, s.close(ctx, c, err)
		}
	}
	var up []optup.Option
	started, gone, err := recovery.StartNodes(ctx, l.mark(), s.snapshot.Nodes(), l.o.Log)
	if err == nil && (o.refresh || len(started)+len(gone) > 0) {
		err = l.answering(ctx, gone)
	}
	if err != nil && ctx.Err() == nil {
		return nil, errors.Join(err, s.close(ctx, &events.Collector{}, nil))
	}
	if err != nil {
		return nil, s.close(ctx, &events.Collector{}, err)
	}
	if o.refresh || len(gone) > 0 {
		up = append(up, optup.Refresh())
	}
	res, c, err := upStack(ctx, s.stack, s.collect(), up...)
	var outputs *Outputs
	if err == nil {
		if outputs, err = l.decodeOutputs(res.Outputs); err == nil {
			err = l.WriteKubeconfig(outputs)
		}
	}
	if err := s.close(ctx, c, err); err != nil {
		return nil, err
	}
	if err := l.ready(ctx, outputs); err != nil {
		return nil, err
	}
	return &UpResult{Outputs: outputs, Counts: c.Counts, Timeline: c.Timings, Duration: time.Since(began)}, nil
}

func upStack(ctx context.Context, stack auto.Stack, c *events.Collector, opts ...optup.Option) (auto.UpResult, *events.Collector, error) {
	defer c.Close()
	res, err := stack.Up(ctx, append(opts, optup.SuppressOutputs(), optup.Color("never"), optup.Parallel(engine.Parallel), optup.EventStreams(c.In))...)
	return res, c, err
}
