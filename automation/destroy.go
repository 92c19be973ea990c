package automation

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"

	"github.com/meshwright/meshwright/automation/events"
	"github.com/meshwright/meshwright/automation/internal/backend"
	"github.com/meshwright/meshwright/automation/internal/engine"
	"github.com/meshwright/meshwright/automation/internal/lock"
	"github.com/meshwright/meshwright/automation/internal/recovery"
	"github.com/meshwright/meshwright/report"
)

var opDestroy = operation{name: "destroy", needsLab: true, removes: true, recovers: sweepPending}

// Swept names what Destroy found beside the state: Containers and Networks.
type Swept = recovery.Swept

// DestroyOption changes one Destroy.
type DestroyOption func(*destroyOptions)

type destroyOptions struct{ force bool }

// Force removes the lab without its state, for a state that cannot be used: it
// removes what bears the lab's mark, then the lab's directory.
func Force() DestroyOption { return func(o *destroyOptions) { o.force = true } }

// DestroyResult says what a Destroy removed.
type DestroyResult struct {
	Lab      string         `json:"lab"`
	Counts   map[string]int `json:"counts"`             // resources by op
	Swept    Swept          `json:"swept"`              // leftovers that are in no state
	Contexts []string       `json:"contexts,omitempty"` // in the user's kubeconfig, see MergeKubeconfig
	Duration time.Duration  `json:"duration"`
}

// Destroy removes the stack's resources, then everything else on this machine that
// bears the lab's mark, then the lab's directory. The clusters and their containers
// need not exist. It returns a *NotUpError when the lab does not exist, and a
// *HeldError, unless forced, when another Pulumi state holds the lab.
func (l *Lab) Destroy(ctx context.Context, opts ...DestroyOption) (*DestroyResult, error) {
	var o destroyOptions
	for _, opt := range opts {
		opt(&o)
	}
	began := time.Now()
	if _, err := os.Stat(l.Dir()); errors.Is(err, os.ErrNotExist) {
		return nil, l.notUp()
	}
	if !o.force {
		if _, err := l.record(); err != nil { // it would name the state's backend
			return nil, report.WithRemedies(err, report.Remedy{Text: "to remove the lab without its state", Operation: report.OperationForce})
		}
	}
	exists := false
	if !o.force {
		var err error
		if exists, err = l.stackExists(ctx); err != nil {
			return nil, err
		}
	}
	if !exists {
		return l.destroyMarked(ctx, began, o.force)
	}
	s, err := l.open(ctx, opDestroy)
	if err != nil {
		return nil, err
	}
	result, err := s.destroy(ctx)
	if err != nil {
		return nil, err
	}
	result.Duration = time.Since(began)
	return result, nil
}

// refuseProtected refuses to destroy a lab of which the state protects anything. The
// rest would be of no use without it, and a sweep tells no resources apart.
func (l *Lab) refuseProtected(s backend.Snapshot) error {
	protected := s.Protected()
	if len(protected) == 0 {
		return nil
	}
	return report.WithRemedies(fmt.Errorf("lab %s has protected resources, and nothing was changed: %s", l.o.Name, strings.Join(protected, ", ")),
		report.Remedy{Text: "to allow it, in the lab's own environment", Command: `pulumi -C "$MESHWRIGHT_WORKSPACE" state unprotect --all`})
}

func (s *session) destroy(ctx context.Context) (*DestroyResult, error) {
	l := s.lab
	result := &DestroyResult{Lab: l.o.Name}
	if err := l.refuseStacksBeside(ctx); err != nil {
		return nil, s.close(ctx, &events.Collector{}, err)
	}
	c, err := s.destroyStack(ctx)
	if err != nil && ctx.Err() == nil {
		// Something that is not in the state may block it.
		l.o.Log.Info("destroy failed; removing what bears the lab's mark and trying again", "lab", l.o.Name, "err", engine.Readable(err))
		if swept, serr := l.sweep(ctx, l.mark()); serr == nil {
			result.Swept = *swept
			c, err = s.destroyStack(ctx)
		}
	}
	if err == nil {
		err = s.finish(ctx, result)
	}
	result.Counts = c.Counts
	if err != nil {
		return nil, s.close(ctx, c, err)
	}
	if err := s.attachment.Close(); err != nil {
		l.o.Log.Warn("providers did not end in time", "lab", l.o.Name, "err", err)
	}
	s.lock.Release(true)
	return result, nil
}

func (s *session) destroyStack(ctx context.Context) (*events.Collector, error) {
	return destroyStack(ctx, s.stack, s.collect())
}

func destroyStack(ctx context.Context, stack auto.Stack, c *events.Collector) (*events.Collector, error) {
	defer c.Close()
	_, err := stack.Destroy(ctx, optdestroy.EventStreams(c.In), optdestroy.SuppressOutputs(), optdestroy.Color("never"), optdestroy.Parallel(engine.Parallel), optdestroy.ContinueOnError())
	return c, err
}

// finish removes what is left once the stack is empty.
func (s *session) finish(ctx context.Context, result *DestroyResult) error {
	l := s.lab
	swept, err := l.sweep(ctx, l.mark())
	if err != nil {
		return fmt.Errorf("look for leftovers of lab %s: %w", l.o.Name, err)
	}
	result.Swept.Containers = append(result.Swept.Containers, swept.Containers...)
	result.Swept.Networks = append(result.Swept.Networks, swept.Networks...)
	if l.o.Backend != "" {
		if err := s.stack.Workspace().RemoveStack(ctx, l.o.Name); err != nil {
			return engine.Readable(err)
		}
	}
	result.Contexts = l.unmerge()
	return os.RemoveAll(l.Dir())
}

// destroyMarked removes a lab by its mark alone.
func (l *Lab) destroyMarked(ctx context.Context, began time.Time, force bool) (*DestroyResult, error) {
	held, err := lock.Acquire(l.lockFile(), l.o.Name, opDestroy.name)
	if err != nil {
		return nil, err
	}
	gone := false
	defer func() { held.Release(gone) }()
	if !force {
		if err := backend.RefuseHeld(ctx, l.stateOf(), l.mark()); err != nil {
			return nil, err
		}
	} else if snapshot, err := backend.ReadLocal(l.backendDir(), l.o.Name); err == nil { // a state that cannot be read protects nothing
		if err := l.refuseProtected(snapshot); err != nil {
			return nil, err
		}
	}
	swept, err := l.sweep(ctx, l.mark())
	if err != nil {
		return nil, fmt.Errorf("remove lab %s: %w", l.o.Name, err)
	}
	contexts := l.unmerge()
	if err := os.RemoveAll(l.Dir()); err != nil {
		return nil, fmt.Errorf("remove lab %s: %w", l.o.Name, err)
	}
	gone = true
	return &DestroyResult{Lab: l.o.Name, Swept: *swept, Contexts: contexts, Duration: time.Since(began)}, nil
}
