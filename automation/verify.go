package automation

import (
	"context"
	"fmt"

	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/mesh/topology"
	"github.com/meshwright/meshwright/report"
	"github.com/meshwright/meshwright/verify"
)

// Targets are the lab's clusters as package verify and its companions take
// them. They hold credentials.
func (o *Outputs) Targets() ([]mesh.Cluster, error) {
	targets := make([]mesh.Cluster, len(o.Clusters))
	for i, c := range o.Clusters {
		config, err := c.RESTConfig()
		if err != nil {
			return nil, err
		}
		targets[i] = mesh.Cluster{
			Cluster:        c.Cluster,
			Config:         config,
			IngressAddress: c.IngressAddress, EastWestAddress: c.EastWestAddress, Nodes: c.Nodes,
		}
	}
	return targets, nil
}

// Workload is the lab's sample, or an empty one when it has none.
func (o *Outputs) Workload() mesh.Workload {
	if o.Sample == nil {
		return mesh.Workload{}
	}
	return mesh.Workload{
		Namespace: o.Sample.Namespace, Service: o.Sample.Service, Port: o.Sample.Port, Path: o.Sample.Path,
		ClientLabel: o.Sample.ClientLabel, Versions: o.versions(), Traffic: o.Traffic,
	}
}

// versions of the sample that each cluster serves, by cluster.
func (o *Outputs) versions() map[string][]string {
	all := map[string][]string{}
	for _, c := range o.Clusters {
		all[c.Name] = c.HelloWorld
	}
	return all
}

// Rules are what the timed checks hold the mesh to: the rule that the lab declares,
// and for the other mode what an empty declaration would mean. A rule is zero where
// the lab has no two regions to spread requests over.
func (o *Outputs) Rules() mesh.Rules {
	var t topology.Topology
	for _, c := range o.Clusters {
		t = append(t, c.Cluster)
	}
	regions := t.Regions(func(i int) bool { return len(o.Clusters[i].HelloWorld) > 0 })
	rule := func(mode string) topology.Rule {
		if o.Traffic.Mode == mode {
			return o.Traffic
		}
		return regions.Rule(mode, topology.ZeroLoss)
	}
	return mesh.Rules{Distribute: rule(topology.Distribute), Failover: rule(topology.Failover)}
}

// Verify checks the lab that is up. What to check is filled in from its
// outputs; opts say how. A mesh that is wrong is a report, not an error.
func (l *Lab) Verify(ctx context.Context, opts verify.Options) (*report.Report, error) {
	outputs, err := l.Outputs(ctx)
	if err != nil {
		return nil, err
	}
	if opts.Targets, err = outputs.Targets(); err != nil {
		return nil, fmt.Errorf("lab %s: %w", l.o.Name, err)
	}
	opts.Workload, opts.MeshID = outputs.Workload(), outputs.MeshID
	opts.Deployer, opts.Rules = l.Scenarios(), outputs.Rules()
	if opts.Log == nil {
		opts.Log = l.o.Log
	}
	return verify.Run(ctx, opts)
}
