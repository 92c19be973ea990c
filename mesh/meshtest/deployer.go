// Package meshtest has fakes for tests of what works on a running mesh.
package meshtest

import (
	"context"
	"slices"
	"sync"

	"github.com/meshwright/meshwright/mesh"
)

// Deployer is a mesh.Deployer that returns the same workload for every scenario.
type Deployer struct {
	Workload mesh.Workload
	Fail     error // of Deploy
	Residue  error // of Remove

	mu                sync.Mutex
	deployed, removed []string
}

// Deploy records the scenario.
func (d *Deployer) Deploy(_ context.Context, s mesh.Scenario) (mesh.Workload, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.deployed = append(d.deployed, s.Name)
	return d.Workload, d.Fail
}

// Remove records the name, unless ctx has ended.
func (d *Deployer) Remove(ctx context.Context, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	d.removed = append(d.removed, name)
	return d.Residue
}

// Deployed returns the names of the scenarios that were deployed, in order.
func (d *Deployer) Deployed() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.deployed)
}

// Removed returns the names that were removed, in order.
func (d *Deployer) Removed() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.removed)
}
