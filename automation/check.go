package automation

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"

	"github.com/meshwright/meshwright/automation/internal/backend"
	"github.com/meshwright/meshwright/automation/internal/workspace"
	"github.com/meshwright/meshwright/stacks/plan"
)

// Check returns a *ConfigError, which names the key and the remedy, for settings that
// the program would refuse. It needs neither engine nor Docker. Up and Preview call
// Check and CheckAddresses themselves.
func (l *Lab) Check() error {
	settings, err := l.presentSettings()
	if err != nil {
		return err
	}
	_, err = l.check(settings.Config)
	return err
}

// CheckAddresses returns a *ConfigError, which names the key and the remedy, for
// settings that ask for addresses which this machine uses for something else. It does
// not compare addresses that the lab has already. It fails where no Docker answers.
func (l *Lab) CheckAddresses(ctx context.Context) error {
	settings, err := l.presentSettings()
	if err != nil {
		return err
	}
	held, _, err := l.held(ctx)
	if err != nil {
		return err
	}
	plan, err := l.plan(settings.Config, held)
	if err != nil {
		return err
	}
	return l.refuseCollisions(ctx, plan, held)
}

// plan plans the settings for a lab that has the addresses of a state.
func (l *Lab) plan(m config.Map, held backend.Snapshot) (*plan.Plan, error) {
	c, err := l.check(m)
	if err != nil {
		return nil, err
	}
	slots, err := held.Slots()
	if err != nil {
		return nil, fmt.Errorf("state of lab %s: %w", l.o.Name, err)
	}
	p, err := plan.NewPlan(l.o.Name, c, slots)
	if err != nil {
		return nil, &ConfigError{Stack: l.o.Stack, Err: err}
	}
	return p, nil
}

// presentSettings are the lab's settings with the artifacts of its record.
func (l *Lab) presentSettings() (*workspace.Settings, error) {
	r, err := l.record()
	if err != nil {
		return nil, err
	}
	return l.settings(l.source(r))
}

// settings are the project's own with the operation's overrides.
func (l *Lab) settings(artifacts string) (*workspace.Settings, error) {
	s, err := workspace.Load(l.o.ProjectDir, l.o.Stack)
	if err != nil {
		return nil, err
	}
	if err := workspace.Set(s.Config, "artifacts", artifacts); err != nil {
		return nil, err
	}
	for k, v := range l.o.Config {
		if err := workspace.Set(s.Config, k, v); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// writeWorkspace writes the project and the stack's settings into the private
// workspace, where the engine may change them.
func (l *Lab) writeWorkspace(settings *workspace.Settings) error {
	err := workspace.Save(l.Workspace(), l.o.Name, settings)
	if err == nil && l.o.Executable != "" {
		err = workspace.Link(l.o.Executable, filepath.Join(l.Workspace(), ProgramName))
	}
	if err != nil {
		return fmt.Errorf("workspace of lab %s: %w", l.o.Name, err)
	}
	return nil
}

// check decodes settings and validates them.
func (l *Lab) check(m config.Map) (*plan.Config, error) {
	var keys []string
	for k := range m {
		keys = append(keys, k.String())
	}
	if err := plan.CheckKeys(keys); err != nil {
		return nil, &ConfigError{Stack: l.o.Stack, Err: err}
	}
	c, err := decode(m)
	if err != nil {
		return nil, &ConfigError{Stack: l.o.Stack, Err: err}
	}
	if err := c.Validate(l.o.Name); err != nil {
		return nil, &ConfigError{Stack: l.o.Stack, Err: err}
	}
	return c, nil
}

func decode(m config.Map) (*plan.Config, error) {
	var lookupErr error
	c, err := plan.Decode(func(key string) (string, bool) {
		v, ok := m[config.MustMakeKey(workspace.Project, key)]
		if !ok {
			return "", false
		}
		text, err := v.Value(config.NopDecrypter)
		lookupErr = errors.Join(lookupErr, err)
		return text, true
	})
	return c, errors.Join(lookupErr, err)
}

// ClusterNames are the names of the clusters that the lab's settings describe, in
// their order; none when the settings cannot be read.
func (l *Lab) ClusterNames() []string {
	settings, err := l.presentSettings()
	if err != nil {
		return nil
	}
	c, err := decode(settings.Config)
	if err != nil {
		return nil
	}
	var names []string
	for _, cluster := range c.Clusters {
		names = append(names, cluster.Name)
	}
	return names
}
