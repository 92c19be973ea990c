package automation

import (
	"github.com/meshwright/meshwright/mesh/topology"

	"context"
	"fmt"

	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/stacks/plan"
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
			Cluster: topology.Cluster{
				Name: c.Name, Network: c.Network, ControlPlane: c.ControlPlane,
				Locality: topology.Locality{Region: c.Region, Zone: c.Zone, Subzone: c.Subzone},
			},
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
	return mesh.Rules{Distribute: o.rule(plan.TrafficDistribute), Failover: o.rule(plan.TrafficFailover)}
}

func (o *Outputs) rule(mode plan.TrafficMode) topology.Rule {
	if o.Traffic.Mode == string(mode) {
		return o.Traffic
	}
	c := &plan.Config{Traffic: plan.Traffic{Mode: mode}}
	for _, m := range o.Clusters {
		c.Clusters = append(c.Clusters, plan.Cluster{
			Name: m.Name, Network: m.Network, ControlPlane: m.ControlPlane,
			Locality: plan.Locality{Region: m.Region, Zone: m.Zone, Subzone: m.Subzone}, HelloWorld: m.HelloWorld,
		})
	}
	plan, err := plan.NewPlan(o.Lab, c)
	if err != nil {
		return topology.Rule{} // the regions do not suffice: all else was valid when the lab was made
	}
	return plan.Sample.Traffic
}

// Verify checks the lab that is up. What to check is filled in from its
// outputs; opts say how. A mesh that is wrong is a report, not an error.
func (l *Lab) Verify(ctx context.Context, opts verify.Options) (*verify.Report, error) {
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
