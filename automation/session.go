package automation

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/automation/changes"
	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/artifacts/imagelock"
	"github.com/meshwright/meshwright/internal/provider"
)

// parallel is how many resources the engine works on at a time. Most of them
// only wait for a cluster, so the number of processors is no measure.
const parallel = 64

// closeGrace is how long a cancelled operation waits for its providers.
const closeGrace = time.Second

// session is one operation on a lab: its lock, its providers and the engine's
// view of the stack.
type session struct {
	lab        *Lab
	operation  string
	lock       *lock
	attachment *provider.Attachment
	stack      auto.Stack
	record     *Record
	fresh      bool             // the lab did not exist before
	keepOwner  bool             // its owner file did
	snapshot   snapshot         // of the state, as the operation found it
	cutShort   bool             // an earlier run left open operations
	programErr error            // what the program itself returned
	secrets    *changes.Secrets // that a preview has met; nil of other operations
}

// open prepares an operation. Up and preview run the program, and prepare makes it
// ready to run, so they bring the workspace up to date; the others take the lab as
// it is.
func (l *Lab) open(ctx context.Context, operation string) (_ *session, err error) {
	s := &session{lab: l, operation: operation}
	runsProgram := operation == "up" || operation == "preview" || operation == "prepare"

	// What can be refused is refused before anything is made.
	eng, err := findEngine(ctx, l.o.KitDir, l.o.Log)
	if err != nil {
		return nil, err
	}
	eng.keepEnv = l.o.Backend != ""
	if !runsProgram && !l.stateExists() {
		return nil, l.notUp()
	}
	if s.lock, err = acquire(l.lockFile(), l.o.Name, operation); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.abandon()
			if ctx.Err() != nil {
				err = s.interrupted(ctx)
			}
		}
	}()
	if s.record, err = l.record(); err != nil {
		return nil, err
	}
	s.fresh, s.keepOwner = !l.stateExists(), isDir(l.ownerDir())
	if runsProgram {
		if err := l.refuseHeld(ctx); err != nil {
			return nil, err
		}
	}
	if !s.fresh {
		if s.snapshot, err = l.snapshot(ctx); err != nil {
			return nil, fmt.Errorf("state of lab %s: %w", l.o.Name, err)
		}
	}
	eng.selected = !s.fresh && l.o.Backend == ""
	source := l.source(s.record)
	set, err := l.artifacts(ctx, source)
	if err == nil && source == ArtifactsRegistry && (operation == "up" || operation == "preview") {
		err = l.charts(ctx, set)
	}
	if err != nil && operation == "preview" && source == ArtifactsRegistry && s.record == nil && !errors.Is(err, imagelock.ErrChanged) {
		// A new lab is previewed without a registry: what is not locked it names by tag.
		l.o.Log.Info("images that are not locked are named by tag", "lab", l.o.Name, "why", err)
		set, err = imagelock.Known(imagelock.File(l.o.ProjectDir))
	}
	if err != nil && runsProgram {
		return nil, err
	}
	choice := l.chooseProviders(s.record, source)
	if s.record == nil {
		s.record = &Record{Version: 1, Lab: l.o.Name, Stack: l.o.Stack, Backend: l.o.Backend, Created: time.Now().UTC().Truncate(time.Second)}
	}
	var settings *workspace.ProjectStack
	if runsProgram {
		if settings, err = l.settings(source); err != nil {
			return nil, err
		}
		plan, err := l.check(settings.Config)
		if err != nil {
			return nil, err
		}
		if err := l.refuseCollisions(ctx, plan, s.snapshot); err != nil {
			return nil, err
		}
		for _, dir := range []string{l.Dir(), l.Workspace(), l.backendDir()} {
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return nil, fmt.Errorf("lab %s: %w", l.o.Name, err)
			}
		}
		if err := makeHome(l.pulumiHome()); err != nil {
			return nil, fmt.Errorf("lab %s: %w", l.o.Name, err)
		}
	}
	twins, choice, err := l.readyProviders(ctx, eng, choice, source)
	if err != nil {
		return nil, err
	}
	l.o.Log.Info("resource providers", "lab", l.o.Name, "source", choice.source, "why", choice.why)
	if runsProgram {
		s.record.Stack, s.record.Artifacts, s.record.Providers = l.o.Stack, source, choice.source
		if err := errors.Join(l.writeRecord(s.record), l.writeWorkspace(settings)); err != nil {
			return nil, err
		}
	}
	if err := ensurePassphrase(l.passphraseFile(), !s.fresh, l.Flags()); err != nil {
		return nil, err
	}
	if n, err := clearStaleLocks(l.backendDir(), l.o.Name); err != nil {
		return nil, err
	} else if n > 0 {
		l.o.Log.Info("removed the lock of a dead engine", "lab", l.o.Name, "locks", n)
	}
	if operation == "preview" {
		s.secrets = &changes.Secrets{}
		twins = watch(twins, s.secrets)
	}
	s.attachment, s.stack, err = l.openStack(ctx, eng, site{l.o.Name, l.Workspace(), l.backendURL(), twins}, s.fresh, s.run(l.program(set)))
	if err != nil {
		return nil, err
	}
	return s, s.recover(ctx)
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
func (l *Lab) openStack(ctx context.Context, eng *engine, at site, fresh bool, program pulumi.RunFunc) (*provider.Attachment, auto.Stack, error) {
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
		return attachment, stack, fmt.Errorf("stack %s: %w", at.stack, engineError(err))
	}
	return attachment, stack, nil
}

// recover mends what a killed engine left in the state.
func (s *session) recover(ctx context.Context) error {
	open := len(s.snapshot.Pending)
	if open == 0 || s.operation == "preview" {
		return nil
	}
	s.cutShort = true
	s.lab.o.Log.Info("an earlier run was cut short; its open operations are taken up again", "lab", s.lab.o.Name, "operations", open)
	return forgetPending(ctx, &s.stack)
}

// run keeps the program's own error, which the engine would only hand back as
// text inside other text.
func (s *session) run(program pulumi.RunFunc) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		s.programErr = program(ctx)
		return s.programErr
	}
}

// env is the setting in which any Pulumi engine finds what the lab keeps in a
// backend: its own stack, or a scenario's.
func (l *Lab) env(backend string) map[string]string {
	return map[string]string{
		"PULUMI_BACKEND_URL":                          backend,
		"PULUMI_CONFIG_PASSPHRASE_FILE":               l.passphraseFile(),
		"PULUMI_HOME":                                 l.pulumiHome(),
		"PULUMI_SKIP_UPDATE_CHECK":                    "true",
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
	}
}

// close ends the operation: it turns the engine's error into one worth
// reading, ends the providers and gives the lock back.
func (s *session) close(ctx context.Context, c *collector, opErr error) error {
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
			// A cluster that was being made is still being taken away. Whoever
			// cancelled does not wait for that; the next operation does.
			go func() {
				<-closed
				s.lock.release(false)
			}()
			return err
		}
	}
	remove := false
	if s.fresh && (s.operation == "preview" || opErr != nil) {
		// A new lab of which nothing exists is no lab.
		if snap, err := l.localSnapshot(); err == nil && l.o.Backend == "" && snap.real() == 0 && len(snap.Pending) == 0 {
			remove = true
			closeErr = errors.Join(closeErr, l.discard(s.keepOwner))
		}
	}
	s.lock.release(remove)
	if err == nil && closeErr != nil {
		l.o.Log.Warn("providers did not end in time", "lab", l.o.Name, "err", closeErr)
	}
	return err
}

// abandon undoes a half-finished open.
func (s *session) abandon() {
	if s.attachment != nil {
		_ = s.attachment.Close()
	}
	remove := false
	if s.fresh && s.lab.o.Backend == "" {
		if snap, err := s.lab.localSnapshot(); err == nil && len(snap.Resources) == 0 && len(snap.Pending) == 0 {
			_ = s.lab.discard(s.keepOwner)
			remove = true
		}
	}
	s.lock.release(remove)
}

func (s *session) explain(ctx context.Context, c *collector, opErr error) error {
	if opErr == nil {
		return nil
	}
	l := s.lab
	var changes *ChangesError
	if errors.As(opErr, &changes) {
		return changes
	}
	if ctx.Err() != nil {
		return s.interrupted(ctx)
	}
	return operationError(s.operation, l.o.Name, c, s.programErr, opErr)
}

func operationError(operation, lab string, c *collector, programErr, err error) error {
	e := &OperationError{Operation: operation, Lab: lab, Failures: c.failures, Err: engineError(err)}
	if programErr != nil && len(c.failures) <= 1 {
		// The engine repeats the program's own error as text inside other text.
		e.Failures, e.Err = nil, programErr
	}
	return e
}

// interrupted says that the operation was cancelled, wherever it was just then.
func (s *session) interrupted(ctx context.Context) error {
	l := s.lab
	snap, _ := l.localSnapshot() // a count that is missing is no reason to hide the interruption
	return &InterruptedError{Operation: s.operation, Lab: l.o.Name, Resources: snap.real(), Err: ctx.Err(), flags: l.Flags()}
}

// engineError keeps of the Automation API's error what a person can use: not
// the whole of the command's output but its last complaint.
func engineError(err error) error {
	text, output, ok := strings.Cut(err.Error(), "\ncode: ")
	if !ok {
		return err
	}
	if _, complaint, _ := strings.Cut(output, "\nstderr: "); strings.TrimSpace(complaint) != "" {
		text = strings.TrimPrefix(strings.TrimSpace(complaint), "error: ")
	}
	return &cleanError{text: text, err: err}
}

type cleanError struct {
	text string
	err  error
}

func (e *cleanError) Error() string { return e.text }
func (e *cleanError) Unwrap() error { return e.err }

// source decides where the lab's parts come from.
func (l *Lab) source(r *Record) string {
	source, _ := l.chooseArtifacts(r)
	return source
}

// chooseArtifacts decides where the lab's parts come from, and says why: as asked,
// as before, from the kit where one has been built, else from the registries.
func (l *Lab) chooseArtifacts(r *Record) (source, why string) {
	switch {
	case l.o.Artifacts != "":
		return l.o.Artifacts, "asked for"
	case r != nil && r.Artifacts != "":
		return r.Artifacts, "as the lab was made"
	case l.o.DefaultArtifacts != "":
		return l.o.DefaultArtifacts, "the default here (MESHWRIGHT_ARTIFACTS, as `meshwright setup` found)"
	}
	if _, err := os.Stat(filepath.Join(l.o.KitDir, artifacts.File)); err == nil {
		return ArtifactsAirgap, "a kit has been built"
	}
	return ArtifactsRegistry, "no kit has been built"
}

func (l *Lab) artifacts(ctx context.Context, source string) (*artifacts.Set, error) {
	if source == ArtifactsRegistry {
		return l.registry(ctx)
	}
	return artifacts.Load(l.o.KitDir)
}
