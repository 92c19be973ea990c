package automation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
)

// UpOption changes one Up.
type UpOption func(*upOptions)

type upOptions struct{ expectNoChanges, refresh bool }

// WithRefresh reads the real state of every resource before it is compared
// with what it should be. Without it an Up finds out by itself whether clusters
// have gone or stand still, but not what was changed inside them.
func WithRefresh() UpOption { return func(o *upOptions) { o.refresh = true } }

// ExpectNoChanges makes an Up that would change anything a *ChangesError, and
// changes nothing then: the engine's own flag finds out too late.
func ExpectNoChanges() UpOption { return func(o *upOptions) { o.expectNoChanges = true } }

// UpResult is a lab that is up.
type UpResult struct {
	Outputs  *Outputs
	Counts   map[string]int // resources by what was done to them: create, update, same, ...
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

// Up brings the lab up or up to date. On a lab that is as its settings say it
// does nothing. After a failure or a cancellation the next Up goes on from
// what exists. A lab of another Pulumi state's is a *HeldError.
func (l *Lab) Up(ctx context.Context, opts ...UpOption) (*UpResult, error) {
	var o upOptions
	for _, opt := range opts {
		opt(&o)
	}
	began := time.Now()
	s, err := l.open(ctx, "up")
	if err != nil {
		return nil, err
	}
	if o.expectNoChanges {
		c, err := s.preview(ctx)
		if err == nil && len(c.changes) > 0 {
			err = &ChangesError{Lab: l.o.Name, Changes: c.changes, flags: l.Flags()}
		}
		if err != nil {
			return nil, s.close(ctx, c, err)
		}
	}
	var up []optup.Option
	lost, err := l.wakeNodes(ctx, s.snapshot)
	if err != nil && ctx.Err() == nil {
		return nil, errors.Join(err, s.close(ctx, &collector{}, nil))
	}
	if err != nil {
		return nil, s.close(ctx, &collector{}, err)
	}
	if o.refresh || lost {
		up = append(up, optup.Refresh())
	}
	res, c, err := upStack(ctx, s.stack, collect("up", l.o.Events), up...)
	var outputs *Outputs
	if err == nil {
		if outputs, err = l.decodeOutputs(res.Outputs); err == nil {
			err = l.WriteKubeconfig(outputs)
		}
	}
	if err := s.close(ctx, c, err); err != nil {
		return nil, err
	}
	return &UpResult{Outputs: outputs, Counts: c.counts, Timeline: c.timings, Duration: time.Since(began)}, nil
}

func upStack(ctx context.Context, stack auto.Stack, c *collector, opts ...optup.Option) (auto.UpResult, *collector, error) {
	defer c.close()
	res, err := stack.Up(ctx, append(opts, optup.SuppressOutputs(), optup.Color("never"), optup.Parallel(parallel), optup.EventStreams(c.in))...)
	return res, c, err
}

// Refresh reads the real state of every resource of the lab into its stack.
func (l *Lab) Refresh(ctx context.Context) (*RefreshResult, error) {
	began := time.Now()
	s, err := l.open(ctx, "refresh")
	if err != nil {
		return nil, err
	}
	c := collect("refresh", l.o.Events)
	_, err = s.stack.Refresh(ctx, optrefresh.EventStreams(c.in), optrefresh.SuppressOutputs(), optrefresh.Color("never"), optrefresh.Parallel(parallel))
	c.close()
	if err := s.close(ctx, c, err); err != nil {
		return nil, err
	}
	return &RefreshResult{Counts: c.counts, Duration: time.Since(began)}, nil
}

// RefreshResult says what a Refresh found.
type RefreshResult struct {
	Counts   map[string]int // resources by what had become of them: same, update, delete
	Duration time.Duration
}

// Outputs are what the last Up left. It is an error of type *NotUpError when
// there was none.
func (l *Lab) Outputs(ctx context.Context) (*Outputs, error) {
	if !l.stateExists() {
		return nil, l.notUp()
	}
	if err := ensurePassphrase(l.passphraseFile(), true, l.Flags()); err != nil {
		return nil, err
	}
	stack, err := l.reader(ctx)
	if err != nil {
		return nil, err
	}
	values, err := stack.StackOutputs(ctx, l.o.Name)
	if err != nil {
		return nil, fmt.Errorf("outputs of lab %s: %w", l.o.Name, engineError(err))
	}
	if len(values) == 0 {
		return nil, l.notUp()
	}
	return l.decodeOutputs(values)
}
