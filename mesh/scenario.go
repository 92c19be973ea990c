package mesh

import (
	"context"
	"time"

	"github.com/meshwright/meshwright/mesh/topology"
)

// Deployer brings up the workloads of timed checks. They live in namespaces of
// their own, so that a check changes nothing of the user's.
type Deployer interface {
	// Deploy brings the scenario's workload up and returns it when it can be
	// called. Whatever it made is removed by Remove, also when it failed.
	Deploy(ctx context.Context, s Scenario) (Workload, error)
	// Remove takes the scenario of that name down. Nothing to remove is not an error.
	Remove(ctx context.Context, name string) error
}

// Scenario is the workload that a timed check needs: the sample in every cluster,
// with a load generator beside it.
type Scenario struct {
	Name    string // "distribution", "failover", "mtls" or "drain"
	Traffic topology.Rule
	MTLS    string // "STRICT", or "" for the mesh's own setting
	// Outsiders adds pods without a proxy, one of them on the node's network.
	Outsiders bool
}

// RemoveWithin bounds the removal of a scenario, and the recreation of its pods.
const RemoveWithin = 2 * time.Minute

// InScenario deploys a scenario's workload, calls f with it, and removes it again,
// whatever happened meanwhile, also when ctx has ended. f is not called when the
// workload cannot be deployed.
func InScenario(ctx context.Context, d Deployer, s Scenario, f func(Workload)) (deploy, remove error) {
	defer func() {
		fresh, cancel := context.WithTimeout(context.WithoutCancel(ctx), RemoveWithin)
		defer cancel()
		remove = d.Remove(fresh, s.Name)
	}()
	w, err := d.Deploy(ctx, s)
	if err != nil {
		return err, nil
	}
	w.Traffic = s.Traffic
	f(w)
	return nil, nil
}

// Rules are the rules of the timed checks, with all defaults filled in.
type Rules struct {
	Distribute, Failover topology.Rule
}
