package automation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/automation/events"
	"github.com/meshwright/meshwright/automation/internal/backend"
	"github.com/meshwright/meshwright/automation/internal/engine"
	"github.com/meshwright/meshwright/automation/internal/passphrase"
	"github.com/meshwright/meshwright/automation/internal/workspace"
	"github.com/meshwright/meshwright/internal/provider"
	"github.com/meshwright/meshwright/stacks"
)

// scenarioStack is an open stack of a scenario. Workspace and backend are in the
// scenario's own directory and are removed with it; passphrase and plugins are the
// lab's.
type scenarioStack struct {
	name       string
	lab        *Lab
	attachment *provider.Attachment
	stack      auto.Stack
}

func (l *Lab) openScenario(ctx context.Context, name string, fresh bool, program pulumi.RunFunc) (_ *scenarioStack, err error) {
	eng, err := engine.Find(ctx, l.o.KitDir, l.o.Log)
	if err != nil {
		return nil, err
	}
	eng.Selected = !fresh
	if err := passphrase.Ensure(l.passphraseFile(), true); err != nil {
		return nil, err
	}
	work, state := filepath.Join(l.scenarioDir(name), "workspace"), l.scenarioBackend(name)
	for _, dir := range []string{work, state} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	settings := &workspace.Settings{Config: config.Map{
		config.MustMakeKey("pulumi", "disable-default-providers"): config.NewObjectValue(`["*"]`),
	}}
	if err := workspace.Save(work, name, settings); err != nil {
		return nil, err
	}
	if _, err := backend.ClearStaleLocks(state, name); err != nil {
		return nil, err
	}
	o := &scenarioStack{name: name, lab: l}
	o.attachment, o.stack, err = l.openStack(ctx, eng, site{name, work, backend.URL(state), l.twins}, fresh, program)
	if err != nil {
		o.close()
		return nil, err
	}
	return o, nil
}

func (l *Lab) scenarioBackend(name string) string {
	return filepath.Join(l.scenarioDir(name), "backend")
}

// close ends the providers and waits until they have ended, since the next step may
// remove what they are creating.
func (o *scenarioStack) close() {
	if o.attachment == nil {
		return
	}
	if err := o.attachment.Close(); err != nil {
		o.lab.o.Log.Warn("providers did not end in time", "lab", o.lab.o.Name, "scenario", o.name, "err", err)
	}
}

// up deploys a scenario whose directory is not there.
func (s *Scenarios) up(ctx context.Context, scenario stacks.Scenario) error {
	l := s.lab
	what := "scenario " + scenario.Name
	record, err := l.record()
	if err != nil {
		return err
	}
	set, err := l.artifacts(ctx, l.source(record))
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	clusters := make([]stacks.ClusterOutputs, len(s.outputs.Clusters))
	for i, c := range s.outputs.Clusters {
		clusters[i] = c.ClusterOutputs
	}
	program := l.scenario(set, clusters, scenario)
	var programErr error
	o, err := l.openScenario(ctx, scenario.Name, true, func(ctx *pulumi.Context) error {
		programErr = program(ctx)
		return programErr
	})
	if err != nil {
		return scenarioError(ctx, what, l.o.Name, err)
	}
	defer o.close()
	_, c, err := upStack(ctx, o.stack, events.Collect(what, l.o.Events))
	if err != nil {
		return scenarioError(ctx, what, l.o.Name, operationError(what, l.o.Name, c, programErr, err))
	}
	return nil
}

// destroy takes a scenario's stack down, complete or not.
func (s *Scenarios) destroy(ctx context.Context, name string) error {
	l := s.lab
	what := "scenario " + name
	snap, err := backend.ReadLocal(l.scenarioBackend(name), name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // its directory is the driver's alone
	}
	if err != nil {
		return fmt.Errorf("state of %s: %w", what, err)
	}
	o, err := l.openScenario(ctx, name, false, func(*pulumi.Context) error { return nil })
	if err != nil {
		return scenarioError(ctx, what, l.o.Name, err)
	}
	defer o.close()
	if len(snap.Pending) > 0 {
		if err := backend.ForgetPending(ctx, &o.stack); err != nil {
			return scenarioError(ctx, what, l.o.Name, err)
		}
	}
	if len(snap.Resources) == 0 && len(snap.Pending) == 0 {
		return nil
	}
	c, err := destroyStack(ctx, o.stack, events.Collect(what, l.o.Events))
	if err != nil {
		return scenarioError(ctx, what, l.o.Name, operationError(what, l.o.Name, c, nil, err))
	}
	return nil
}

// scenarioError is the interruption, if there was one, else err with the scenario.
func scenarioError(ctx context.Context, what, lab string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s of lab %s: interrupted: %w", what, lab, ctx.Err())
	}
	var op *OperationError
	if errors.As(err, &op) {
		return err
	}
	return fmt.Errorf("%s of lab %s: %w", what, lab, err)
}
