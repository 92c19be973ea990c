package automation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/automation/changes"
	"github.com/meshwright/meshwright/automation/events"
	"github.com/meshwright/meshwright/automation/internal/backend"
	"github.com/meshwright/meshwright/automation/internal/engine"
	"github.com/meshwright/meshwright/automation/internal/lock"
	"github.com/meshwright/meshwright/automation/internal/passphrase"
	"github.com/meshwright/meshwright/automation/internal/steps"
	"github.com/meshwright/meshwright/automation/internal/workspace"
	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/artifacts/imagelock"
	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/provider"
)

// closeGrace is how long a cancelled operation waits for its providers.
const closeGrace = time.Second

// session is one operation on a lab: its lock, its providers and the engine's
// view of the stack.
type session struct {
	lab        *Lab
	op         operation
	lock       *lock.Lock
	attachment *provider.Attachment
	stack      auto.Stack
	record     *Record
	fresh      bool             // the lab had no stack before
	kept       map[string]bool  // what its directory had before; nil: there was none
	snapshot   backend.Snapshot // of the state, as the operation found it
	programErr error            // what the program itself returned
	secrets    *changes.Secrets // that a preview has met; nil of other operations
}

// open prepares an operation.
func (l *Lab) open(ctx context.Context, op operation) (_ *session, err error) {
	s := &session{lab: l, op: op}

	// Refusals come before anything is created.
	eng, err := l.engine(ctx)
	if err != nil {
		return nil, err
	}
	if op.needsLab && !isDir(l.Dir()) {
		return nil, l.notUp()
	}
	if s.lock, err = lock.Acquire(l.lockFile(), l.o.Name, op.name); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.abandon(ctx)
			if ctx.Err() != nil {
				err = s.interrupted(ctx)
			}
		}
	}()
	if s.record, err = l.record(); err != nil {
		return nil, err
	}
	if s.kept, err = entries(l.Dir()); err != nil {
		return nil, err
	}
	err = l.CheckDocker(ctx)
	if err == nil && (!op.needsLab || op.removes) {
		err = backend.RefuseHeld(ctx, l.stateOf(), l.mark())
	}
	if err != nil && !(op.readOnly && noDocker(err)) {
		return nil, err
	}
	snapshot, exists, err := l.held(ctx)
	if err != nil {
		return nil, err
	}
	if op.needsLab && !exists {
		return nil, l.notUp()
	}
	if op.removes {
		if err := l.refuseProtected(snapshot); err != nil {
			return nil, err
		}
	}
	s.snapshot, s.fresh, eng.Selected = snapshot, !exists, exists
	source := l.source(s.record)
	set, err := s.artifacts(ctx, source)
	if err != nil && !op.needsLab {
		return nil, err
	}
	choice := l.chooseProviders(s.record, source)
	if s.record == nil {
		s.record = &Record{Version: 1, Lab: l.o.Name, Stack: l.o.Stack, Backend: l.o.Backend, Created: time.Now().UTC().Truncate(time.Second)}
	}
	var settings *workspace.Settings
	if !op.needsLab {
		if settings, err = s.makeRoom(ctx, source); err != nil {
			return nil, err
		}
	}
	twins, choice, err := l.readyProviders(ctx, eng, choice, source)
	if err != nil {
		return nil, err
	}
	l.o.Log.Info("resource providers", "lab", l.o.Name, "source", choice.source, "why", choice.why)
	if !op.needsLab {
		s.record.Stack, s.record.Artifacts, s.record.Providers = l.o.Stack, source, choice.source
		if err := l.writeWorkspace(settings); err != nil {
			return nil, err
		}
		if s.fresh && l.o.Backend != "" {
			if err := l.refuseTaken(ctx); err != nil {
				return nil, err
			}
		}
		if op.runsProgram {
			s.warnOfDropped()
		}
		if !op.readOnly { // until it has ended well, the lab may have either
			s.record.Overrides = slices.Compact(slices.Sorted(slices.Values(append(s.record.Overrides, l.overrides()...))))
		}
		if !(op.readOnly && s.fresh) {
			if err := l.writeRecord(s.record); err != nil {
				return nil, err
			}
		}
	}
	if err := passphrase.Ensure(l.passphraseFile(), !s.fresh); err != nil {
		return nil, err
	}
	if n, err := backend.ClearStaleLocks(l.backendDir(), l.o.Name); err != nil {
		return nil, err
	} else if n > 0 {
		l.o.Log.Info("removed the lock of a dead engine", "lab", l.o.Name, "locks", n)
	}
	if op.readOnly {
		s.secrets = &changes.Secrets{}
		twins = steps.Watch(twins, s.secrets)
	}
	url := l.backendURL()
	if op.readOnly && s.fresh {
		url = backend.URL(s.backendDir())
	}
	s.attachment, s.stack, err = l.openStack(ctx, eng, site{l.o.Name, l.Workspace(), url, twins}, s.fresh, s.run(l.program(set)))
	if err != nil {
		return nil, err
	}
	if n := len(s.snapshot.Pending); n > 0 && op.recovers != nil {
		l.o.Log.Info("an earlier run was cut short; its open operations are taken up again", "lab", l.o.Name, "operations", n)
		return s, op.recovers(ctx, s)
	}
	return s, nil
}

// artifacts are those of the source, as far as the operation needs them.
func (s *session) artifacts(ctx context.Context, source string) (*artifacts.Set, error) {
	l := s.lab
	set, err := l.artifacts(ctx, source)
	if err == nil && source == ArtifactsRegistry && s.op.runsProgram {
		err = l.charts(ctx, set)
	}
	if err != nil && s.op.readOnly && source == ArtifactsRegistry && s.record == nil && !errors.Is(err, imagelock.ErrChanged) {
		l.o.Log.Info("images that are not locked are named by tag", "lab", l.o.Name, "why", err)
		return imagelock.Known(imagelock.File(l.o.ProjectDir))
	}
	return set, err
}

// makeRoom checks the settings and makes the lab's directories.
func (s *session) makeRoom(ctx context.Context, source string) (*workspace.Settings, error) {
	l := s.lab
	settings, err := l.settings(source)
	if err != nil {
		return nil, err
	}
	plan, err := l.plan(settings.Config, s.snapshot)
	if err != nil {
		return nil, err
	}
	if err := l.refuseCollisions(ctx, plan, s.snapshot); err != nil && (s.op.makesNodes || !noDocker(err)) {
		return nil, err
	}
	if s.op.readOnly && s.fresh { // one that was killed may have left its own
		if err := os.RemoveAll(s.backendDir()); err != nil {
			return nil, fmt.Errorf("lab %s: %w", l.o.Name, err)
		}
		delete(s.kept, filepath.Base(s.backendDir()))
	}
	for _, dir := range []string{l.Dir(), l.Workspace(), s.backendDir()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("lab %s: %w", l.o.Name, err)
		}
	}
	if err := engine.MakeHome(l.pulumiHome()); err != nil {
		return nil, fmt.Errorf("lab %s: %w", l.o.Name, err)
	}
	return settings, nil
}

// backendDir is the lab's own backend. What reads a lab that does not exist has another
// one, so that it leaves nothing in the lab's or the user's, and no backup is
// overwritten there.
func (s *session) backendDir() string {
	if s.op.readOnly && s.fresh {
		return filepath.Join(s.lab.Dir(), "preview")
	}
	return s.lab.backendDir()
}

// noDocker reports whether an error says that no Docker answers, so that nothing is known
// of what it has.
func noDocker(err error) bool {
	return errors.Is(err, docker.ErrUnreachable) || errors.Is(err, docker.ErrNoCommand)
}

// site is where a stack is kept.
type site struct {
	stack     string
	workspace string                      // a directory
	backend   string                      // a URL
	providers map[string]provider.Factory // that the driver serves itself
}

// openStack serves the providers and makes the stack, if it is new, or finds it.
// The attachment is returned with an error too, if there is one by then.
func (l *Lab) openStack(ctx context.Context, eng *engine.Engine, at site, fresh bool, program pulumi.RunFunc) (*provider.Attachment, auto.Stack, error) {
	// The providers outlive ctx by a little: the engine still has to hear how
	// the operations that it cancelled ended.
	attachment, err := provider.Attach(context.WithoutCancel(ctx), at.providers, provider.WithLogger(l.o.Log))
	if err != nil {
		return nil, auto.Stack{}, err
	}
	env := l.env(at.backend)
	env["PULUMI_DEBUG_PROVIDERS"] = attachment.Env()
	ws, err := auto.NewLocalWorkspace(ctx,
		auto.WorkDir(at.workspace),
		auto.PulumiHome(l.pulumiHome()),
		auto.Pulumi(eng),
		auto.Program(program),
		auto.EnvVars(env),
	)
	if err != nil {
		return attachment, auto.Stack{}, fmt.Errorf("workspace of stack %s: %w", at.stack, err)
	}
	open := auto.SelectStack
	if fresh {
		open = auto.NewStack
	}
	stack, err := open(ctx, at.stack, ws)
	if err != nil {
		return attachment, stack, fmt.Errorf("stack %s: %w", at.stack, engine.Readable(err))
	}
	return attachment, stack, nil
}

// run keeps the program's own error, which the engine returns only as text inside
// other text.
func (s *session) run(program pulumi.RunFunc) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		s.programErr = program(ctx)
		return s.programErr
	}
}

// collect begins to collect the operation's events.
func (s *session) collect() *events.Collector { return events.Collect(s.op.name, s.lab.o.Events) }

// close ends the operation: it turns the engine's error into one worth
// reading, ends the providers and gives the lock back.
func (s *session) close(ctx context.Context, c *events.Collector, opErr error) error {
	l := s.lab
	err := s.explain(ctx, c, opErr)
	closed := make(chan error, 1)
	go func() { closed <- s.attachment.Close() }()
	var closeErr error
	if ctx.Err() == nil {
		closeErr = <-closed
	} else {
		select {
		case closeErr = <-closed:
		case <-time.After(closeGrace):
			// A cluster that was being created is still being removed. The caller
			// who cancelled does not wait for that; the next operation does.
			go func() {
				<-closed
				s.lock.Release(false)
			}()
			return err
		}
	}
	if err == nil && s.op.runsProgram && !s.op.readOnly && len(s.dropped()) > 0 {
		s.record.Overrides = l.overrides()
		err = l.writeRecord(s.record)
	}
	remove := false
	if s.fresh && (s.op.readOnly || opErr != nil) {
		remove, err = s.undo(ctx, err)
	}
	s.lock.Release(remove)
	if err == nil && closeErr != nil {
		l.o.Log.Warn("providers did not end in time", "lab", l.o.Name, "err", closeErr)
	}
	return err
}

// abandon undoes a half-finished open.
func (s *session) abandon(ctx context.Context) {
	if s.attachment != nil {
		_ = s.attachment.Close()
	}
	remove := false
	if s.fresh {
		remove, _ = s.undo(ctx, nil) // the error that ended open is the one to tell
	}
	s.lock.Release(remove)
}

func (s *session) explain(ctx context.Context, c *events.Collector, opErr error) error {
	if opErr == nil {
		return nil
	}
	var changes *ChangesError
	if errors.As(opErr, &changes) {
		return changes
	}
	var stacks *StacksError
	if errors.As(opErr, &stacks) {
		return stacks
	}
	if ctx.Err() != nil {
		return s.interrupted(ctx)
	}
	return operationError(s.op.name, s.lab.o.Name, c, s.programErr, opErr)
}

func operationError(operation, lab string, c *events.Collector, programErr, err error) error {
	e := &OperationError{Operation: operation, Lab: lab, Failures: c.Failures, Err: engine.Readable(err)}
	if programErr != nil && len(c.Failures) <= 1 {
		// The engine repeats the program's own error as text inside other text.
		e.Failures, e.Err = nil, programErr
	}
	return e
}

// interrupted is the error of a cancelled operation. Only a local state can be counted
// in the time that is left.
func (s *session) interrupted(ctx context.Context) error {
	e := &InterruptedError{Operation: s.op.name, Lab: s.lab.o.Name, Resources: -1, Removes: s.op.removes, Err: ctx.Err()}
	if s.lab.o.Backend == "" {
		snap, err := backend.ReadLocal(s.lab.backendDir(), s.lab.o.Name)
		if err == nil || s.fresh && errors.Is(err, fs.ErrNotExist) {
			e.Resources = snap.Real()
		}
	}
	return e
}
