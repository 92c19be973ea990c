package automation

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

	"github.com/meshwright/meshwright/automation/changes"
	"github.com/meshwright/meshwright/internal/provider"
	"github.com/meshwright/meshwright/internal/provider/plugins"
	"github.com/meshwright/meshwright/stacks"
)

// stack compares one stack. Each side is brought up from nothing: of base the
// state is left, and of both the secrets are learnt, which are not all known in a
// preview that makes a cluster anew.
func (c *comparison) stack(ctx context.Context, name string) (changes.Stack, error) {
	secrets := &changes.Secrets{}
	var made changes.Stack
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
	if !c.base.has(name) {
		made.What = changes.Added
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

// removal turns what a stack makes into what goes with it.
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

// simulation is one stack in a backend of its own, with nothing behind it.
type simulation struct {
	stackName  string
	side       *side // whose program is run
	engine     engine
	env        map[string]string
	home       string
	attachment *provider.Attachment
	secrets    *changes.Secrets
	stack      auto.Stack
}

// simulate makes an empty stack with one side's program and settings.
func (c *comparison) simulate(ctx context.Context, name string, s *side, secrets *changes.Secrets) (_ *simulation, err error) {
	dir := s.root + "-" + name
	for _, sub := range []string{"backend", "home"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	run := &simulation{stackName: name, side: s, engine: *c.engine, home: filepath.Join(dir, "home"), secrets: secrets}
	run.engine.blind = true
	// A provider finds a chart of the project's own where the program has it.
	run.attachment, err = provider.Attach(context.WithoutCancel(ctx), watch(plugins.Simulated(s.dir), run.secrets), provider.WithLogger(c.log))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			run.close()
		}
	}()
	run.env = map[string]string{
		"PULUMI_BACKEND_URL":                          "file://" + filepath.Join(dir, "backend"),
		"PULUMI_CONFIG_PASSPHRASE":                    rand.Text(), // the state is thrown away
		"PULUMI_SKIP_UPDATE_CHECK":                    "true",
		"PULUMI_SKIP_CHECKPOINTS":                     "true",
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
		"PULUMI_DEBUG_PROVIDERS":                      run.attachment.Env(),
		stacks.Simulated:                              "true",
		// A program that looks for a cluster finds none.
		"KUBECONFIG": filepath.Join(dir, "no-kubeconfig"),
	}
	if err := s.writeSettings(name, ""); err != nil {
		return nil, err
	}
	ws, err := run.workspace(ctx)
	if err != nil {
		return nil, err
	}
	if run.stack, err = auto.NewStack(ctx, name, ws); err != nil {
		return nil, run.failed(ctx, &collector{}, err)
	}
	return run, nil
}

func (r *simulation) workspace(ctx context.Context) (auto.Workspace, error) {
	opts := []auto.LocalWorkspaceOption{
		auto.WorkDir(r.side.dir), auto.PulumiHome(r.home), auto.Pulumi(&r.engine), auto.EnvVars(r.env),
	}
	if r.side.inline != nil {
		opts = append(opts, auto.Program(r.side.inline))
	}
	return auto.NewLocalWorkspace(ctx, opts...)
}

// up makes the stack and returns what that is.
func (r *simulation) up(ctx context.Context) (changes.Stack, error) {
	c := collect(simulated, func(Event) {})
	_, err := r.stack.Up(ctx, optup.EventStreams(c.in), optup.SuppressOutputs(), optup.SuppressProgress(), optup.Color("never"), optup.Parallel(parallel))
	c.close()
	if err != nil {
		return changes.Stack{}, r.failed(ctx, c, err)
	}
	return describe(r.stackName, c.steps, r.secrets), nil
}

// change goes on with the other side's program and settings on the same state.
func (r *simulation) change(ctx context.Context, s *side) error {
	salt, err := r.side.salt(r.stackName)
	if err != nil {
		return err
	}
	if err := s.writeSettings(r.stackName, salt); err != nil {
		return err
	}
	// The state knows the base's charts by where they lay; the providers have to
	// look where head has them.
	attachment, err := provider.Attach(context.WithoutCancel(ctx), watch(plugins.Simulated(s.dir), r.secrets))
	if err != nil {
		return err
	}
	if err := r.attachment.Close(); err != nil {
		return errors.Join(err, attachment.Close())
	}
	r.attachment, r.side = attachment, s
	r.env["PULUMI_DEBUG_PROVIDERS"] = attachment.Env()
	r.engine.selected = true // selecting changes nothing that is not named by the environment
	ws, err := r.workspace(ctx)
	if err != nil {
		return err
	}
	if r.stack, err = auto.SelectStack(ctx, r.stackName, ws); err != nil {
		return r.failed(ctx, &collector{}, err)
	}
	return nil
}

func (r *simulation) preview(ctx context.Context) (changes.Stack, error) {
	c := collect(simulated, func(Event) {})
	_, err := r.stack.Preview(ctx, optpreview.EventStreams(c.in), optpreview.SuppressOutputs(), optpreview.SuppressProgress(), optpreview.Color("never"), optpreview.Parallel(parallel))
	c.close()
	if err != nil {
		return changes.Stack{}, r.failed(ctx, c, err)
	}
	return describe(r.stackName, c.steps, r.secrets), nil
}

// failed says which revision's program did not run, and why.
func (r *simulation) failed(ctx context.Context, c *collector, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	e := &OperationError{Operation: simulated, Lab: r.stackName, Failures: c.failures, Err: engineError(err)}
	return fmt.Errorf("%s: %w", r.side.label, e)
}

func (r *simulation) close() { _ = r.attachment.Close() }
