package diff

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/automation/changes"
	"github.com/meshwright/meshwright/automation/events"
	"github.com/meshwright/meshwright/automation/internal/backend"
	"github.com/meshwright/meshwright/automation/internal/engine"
	"github.com/meshwright/meshwright/automation/internal/steps"
	"github.com/meshwright/meshwright/automation/internal/workspace"
	"github.com/meshwright/meshwright/internal/provider"
	"github.com/meshwright/meshwright/internal/provider/plugins"
	"github.com/meshwright/meshwright/stacks"
)

// stack compares one stack. Each side is brought up from nothing: head's preview needs
// base's state, and both reveal secrets that a preview which recreates a cluster does
// not know.
func (c *comparison) stack(ctx context.Context, name string) (changes.Stack, error) {
	secrets := &changes.Secrets{}
	var made changes.Stack
	if err := c.head.unreadable(name); err != nil {
		return changes.Stack{}, err
	}
	// A change that mends the settings must not fail for what it mends.
	baseless := c.base.unreadable(name) != nil
	if baseless && !c.head.has(name) {
		return changes.Stack{Name: name, What: changes.Removed, BaseUnreadable: true}, nil
	}
	if c.head.has(name) {
		run, err := c.simulate(ctx, name, c.head, secrets)
		if err != nil {
			return changes.Stack{}, err
		}
		defer run.close()
		if made, err = run.up(ctx); err != nil {
			return changes.Stack{}, err
		}
	}
	if !c.base.has(name) || baseless {
		made.What, made.BaseUnreadable = changes.Added, baseless
		return made, nil
	}
	run, err := c.simulate(ctx, name, c.base, secrets)
	if err != nil {
		return changes.Stack{}, err
	}
	defer run.close()
	if made, err = run.up(ctx); err != nil {
		return changes.Stack{}, err
	}
	if !c.head.has(name) {
		return removal(made), nil
	}
	if err := run.change(ctx, c.head); err != nil {
		return changes.Stack{}, err
	}
	return run.preview(ctx)
}

// removal turns what a stack creates into what is removed with it.
func removal(s changes.Stack) changes.Stack {
	s.What = changes.Removed
	s.Counts = changes.Counts{Removed: s.Counts.Added}
	for i, c := range s.Clusters {
		if c.What != "" {
			s.Clusters[i].What = changes.Removed
		}
		for j := range c.Resources {
			c.Resources[j].What, c.Resources[j].Properties = changes.Removed, nil
		}
	}
	return s
}

// simulated names the operation of an OperationError.
const simulated = "simulation"

// simulation is one stack in a backend of its own, without real resources.
type simulation struct {
	stackName  string
	side       *side // whose program is run
	engine     engine.Engine
	env        map[string]string
	home       string
	attachment *provider.Attachment
	secrets    *changes.Secrets
	stack      auto.Stack
}

// simulate creates an empty stack with one side's program and settings.
func (c *comparison) simulate(ctx context.Context, name string, s *side, secrets *changes.Secrets) (*simulation, error) {
	dir := s.root + "-" + name
	run := &simulation{stackName: name, engine: *c.engine, home: filepath.Join(dir, "home"), secrets: secrets}
	if err := errors.Join(engine.MakeHome(run.home), os.MkdirAll(filepath.Join(dir, "backend"), 0o700)); err != nil {
		return nil, err
	}
	run.engine.Blind = true
	run.env = map[string]string{
		"PULUMI_BACKEND_URL":                          backend.URL(filepath.Join(dir, "backend")),
		"PULUMI_CONFIG_PASSPHRASE":                    rand.Text(), // the state is temporary
		"PULUMI_SKIP_UPDATE_CHECK":                    "true",
		"PULUMI_SKIP_CHECKPOINTS":                     "true",
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
		stacks.Simulated:                              "true",
		// The program finds no cluster.
		"KUBECONFIG": filepath.Join(dir, "no-kubeconfig"),
	}
	if err := run.open(ctx, s, "", auto.NewStack); err != nil {
		return nil, errors.Join(err, run.close())
	}
	return run, nil
}

// open opens the stack, which get creates or finds, with one side's program, settings
// and charts.
func (r *simulation) open(ctx context.Context, s *side, salt string, get func(context.Context, string, auto.Workspace) (auto.Stack, error)) error {
	if err := s.writeSettings(r.stackName, salt); err != nil {
		return err
	}
	if err := r.close(); err != nil {
		return err
	}
	// A provider finds a chart of the project's own where the program has it.
	var err error
	r.attachment, err = provider.Attach(context.WithoutCancel(ctx), steps.Watch(plugins.Simulated(s.dir), r.secrets), provider.WithLogger(r.engine.Log))
	if err != nil {
		return err
	}
	r.side = s
	r.env["PULUMI_DEBUG_PROVIDERS"] = r.attachment.Env()
	opts := []auto.LocalWorkspaceOption{
		auto.WorkDir(s.dir), auto.PulumiHome(r.home), auto.Pulumi(&r.engine), auto.EnvVars(r.env),
	}
	if s.inline != nil {
		opts = append(opts, auto.Program(s.inline))
	}
	ws, err := auto.NewLocalWorkspace(ctx, opts...)
	if err != nil {
		return err
	}
	if r.stack, err = get(ctx, workspace.LabName(r.stackName), ws); err != nil {
		return r.failed(ctx, &events.Collector{}, err)
	}
	return nil
}

// up creates the stack's resources and returns them.
func (r *simulation) up(ctx context.Context) (changes.Stack, error) {
	return r.steps(ctx, func(c *events.Collector) error {
		_, err := r.stack.Up(ctx, optup.EventStreams(c.In), optup.SuppressOutputs(), optup.SuppressProgress(), optup.Color("never"), optup.Parallel(engine.Parallel))
		return err
	})
}

// change continues with the other side's program and settings on the same state. The
// state has the paths of base's charts; the providers have to take head's.
func (r *simulation) change(ctx context.Context, s *side) error {
	salt, err := r.side.salt(r.stackName)
	if err != nil {
		return err
	}
	r.engine.Selected = true // the environment chooses the stack already
	return r.open(ctx, s, salt, auto.SelectStack)
}

func (r *simulation) preview(ctx context.Context) (changes.Stack, error) {
	return r.steps(ctx, func(c *events.Collector) error {
		_, err := r.stack.Preview(ctx, optpreview.EventStreams(c.In), optpreview.SuppressOutputs(), optpreview.SuppressProgress(), optpreview.Color("never"), optpreview.Parallel(engine.Parallel))
		return err
	})
}

// steps describes what an operation does to the stack.
func (r *simulation) steps(ctx context.Context, operation func(*events.Collector) error) (changes.Stack, error) {
	c := events.Collect(simulated, func(events.Event) {})
	err := operation(c)
	c.Close()
	if err != nil {
		return changes.Stack{}, r.failed(ctx, c, err)
	}
	return steps.Describe(r.stackName, c.Steps, r.secrets), nil
}

// failed is the error of a run, with the revision.
func (r *simulation) failed(ctx context.Context, c *events.Collector, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	e := &automation.OperationError{Operation: simulated, Lab: r.stackName, Failures: c.Failures, Err: engine.Readable(err)}
	return fmt.Errorf("%s: %w", r.side.label, e)
}

func (r *simulation) close() error {
	if r.attachment == nil {
		return nil
	}
	return r.attachment.Close()
}
