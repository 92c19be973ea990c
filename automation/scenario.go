package automation

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/meshwright/meshwright/automation/internal/lock"
	"github.com/meshwright/meshwright/automation/internal/recovery"
	"github.com/meshwright/meshwright/components/sample"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/mesh/topology"
	"github.com/meshwright/meshwright/report"
	"github.com/meshwright/meshwright/stacks"
)

// Scenarios deploys the workloads of timed checks on a lab that is up. Each has a
// stack of its own in the lab's directory, and namespaces of its own. One is up at a
// time, across all processes. Scenarios implements mesh.Deployer.
type Scenarios struct {
	lab *Lab

	mu      sync.Mutex
	outputs *Outputs
	lock    *lock.Lock // held from Deploy to Remove
	current string     // what the lock is held for
	refused string     // what was not deployed because of another process
}

var _ mesh.Deployer = (*Scenarios)(nil)

// Scenarios returns the lab's deployer of timed checks' workloads.
func (l *Lab) Scenarios() *Scenarios { return &Scenarios{lab: l} }

// scenarioRule keeps "meshwright-<name>" a valid namespace.
var scenarioRule = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$`)

// Labels of a scenario's namespaces, which are never deleted by their names alone.
const (
	scenarioLab   = "meshwright.dev/lab"
	scenarioLabel = "meshwright.dev/scenario"
)

// opCleanup is the name of CleanupScenarios as an operation on the lab.
const opCleanup = "cleanup"

// removeGrace bounds a Remove whose own context has ended already.
const removeGrace = 2 * time.Minute

func (l *Lab) scenariosDir() string           { return filepath.Join(l.Dir(), "scenarios") }
func (l *Lab) scenarioDir(name string) string { return filepath.Join(l.scenariosDir(), name) }
func (l *Lab) scenarioLock() string           { return filepath.Join(l.scenariosDir(), "lock") }

// Deploy brings a scenario up and returns when its pods are ready. It first removes
// what a crashed run left of it. It returns a *LockedError while another one is up.
func (s *Scenarios) Deploy(ctx context.Context, v mesh.Scenario) (mesh.Workload, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lab
	none := mesh.Workload{}
	switch {
	case !scenarioRule.MatchString(v.Name):
		return none, fmt.Errorf("scenario name %q: use at most 40 lower-case letters, digits and dashes, beginning with a letter", v.Name)
	case s.lock != nil:
		return none, fmt.Errorf("scenario %s: %s is up; remove it first", v.Name, s.current)
	}
	s.refused = ""
	var err error
	if s.outputs, err = l.Outputs(ctx); err != nil {
		return none, err
	}
	if s.lock, err = lock.Acquire(l.scenarioLock(), l.o.Name, "scenario "+v.Name); err != nil {
		s.refused = v.Name
		return none, err
	}
	s.current = v.Name
	if err := s.takeDown(ctx, v.Name); err != nil {
		return none, fmt.Errorf("what an earlier run left of scenario %s: %w", v.Name, err)
	}
	scenario := l.scenarioOf(v)
	if err := s.up(ctx, scenario); err != nil {
		return none, err
	}
	return s.outputs.scenarioWorkload(scenario, v.Traffic), nil
}

// scenarioOf is the scenario as the program takes it.
func (l *Lab) scenarioOf(v mesh.Scenario) stacks.Scenario {
	namespace := "meshwright-" + v.Name
	return stacks.Scenario{
		Name: v.Name, Namespace: namespace, Host: sample.FullName(namespace),
		Labels: map[string]string{scenarioLab: l.o.Name, scenarioLabel: v.Name},
		MTLS:   v.MTLS, Outsiders: v.Outsiders, Traffic: v.Traffic,
	}
}

func (o *Outputs) scenarioWorkload(s stacks.Scenario, rule topology.Rule) mesh.Workload {
	return mesh.Workload{
		Namespace: s.Namespace, Service: sample.Service, Port: sample.Port, Path: sample.Path,
		ClientLabel: sample.ClientLabel, LoadLabel: sample.LoadLabel,
		Versions: o.versions(), Traffic: rule, Host: s.Host,
	}
}

// Remove takes a scenario down. It succeeds where there is nothing to remove, and for a
// scenario that Deploy refused because another process has one up. It works with a ctx
// that has ended, too.
func (s *Scenarios) Remove(ctx context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		fresh, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeGrace)
		defer cancel()
		ctx = fresh
	}
	if s.lock == nil {
		if s.refused == name {
			s.refused = ""
			return nil
		}
		if _, err := os.Stat(s.lab.scenarioDir(name)); errors.Is(err, os.ErrNotExist) {
			return nil
		}
		held, err := lock.Acquire(s.lab.scenarioLock(), s.lab.o.Name, "remove scenario "+name)
		if err != nil {
			return err
		}
		s.lock, s.current = held, name
	}
	if s.current == name {
		defer func() {
			s.lock.Release(false)
			s.lock, s.current = nil, ""
		}()
	}
	if s.outputs == nil {
		var err error
		if s.outputs, err = s.lab.Outputs(ctx); err != nil {
			return err
		}
	}
	return s.takeDown(ctx, name)
}

// takeDown removes a scenario by its stack, then whatever else bears its labels: a
// run that was killed may have made what its state does not know.
func (s *Scenarios) takeDown(ctx context.Context, name string) error {
	l := s.lab
	dir := l.scenarioDir(name)
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	destroyErr := s.destroy(ctx, name)
	if destroyErr != nil && ctx.Err() != nil {
		return destroyErr
	}
	if _, err := l.deleteNamespaces(ctx, s.outputs, map[string]string{scenarioLab: l.o.Name, scenarioLabel: name}); err != nil {
		return report.WithRemedies(fmt.Errorf("scenario %s of lab %s: %w", name, l.o.Name, errors.Join(destroyErr, err)),
			report.Remedy{Text: "to try again", Operation: report.OperationCleanup})
	}
	if destroyErr != nil {
		l.o.Log.Warn("a scenario's namespaces were deleted, since its stack would not go", "lab", l.o.Name, "scenario", name, "err", destroyErr)
	}
	return os.RemoveAll(dir)
}

// CleanupScenarios takes down what crashed runs left of scenarios and returns their
// names, sorted. It returns a *LockedError while one is up.
func (l *Lab) CleanupScenarios(ctx context.Context) ([]string, error) {
	outputs, err := l.Outputs(ctx)
	if err != nil {
		return nil, err
	}
	held, err := lock.Acquire(l.scenarioLock(), l.o.Name, opCleanup)
	if err != nil {
		return nil, err
	}
	defer held.Release(false)
	s := &Scenarios{lab: l, outputs: outputs}
	entries, err := os.ReadDir(l.scenariosDir())
	if err != nil {
		return nil, err
	}
	var removed []string
	var errs []error
	for _, e := range entries {
		if !e.IsDir() {
			continue // the lock
		}
		if err := s.takeDown(ctx, e.Name()); err != nil {
			errs = append(errs, err)
			continue
		}
		removed = append(removed, e.Name())
	}
	stray, err := l.deleteNamespaces(ctx, outputs, map[string]string{scenarioLab: l.o.Name})
	removed = append(removed, stray...)
	slices.Sort(removed)
	return slices.Compact(removed), errors.Join(append(errs, err)...)
}

// deleteNamespaces deletes the namespaces with the labels from all clusters and
// returns their scenarios.
func deleteNamespaces(ctx context.Context, o *Outputs, with map[string]string) ([]string, error) {
	clusters := map[string]*rest.Config{}
	for _, c := range o.Clusters {
		config, err := c.RESTConfig()
		if err != nil {
			return nil, err
		}
		clusters[c.Name] = config
	}
	return recovery.DeleteNamespaces(ctx, clusters, with, scenarioLabel)
}
