package stacks

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/components/sample"
	"github.com/meshwright/meshwright/stacks/topology"
)

// TrafficOf is the plan's rule as the sample takes it; nil for mode none.
func TrafficOf(t topology.Traffic) *sample.Traffic {
	if t.Mode == topology.TrafficNone {
		return nil
	}
	out := &sample.Traffic{Mode: string(t.Mode), Profile: string(t.Profile)}
	if t.Mode == topology.TrafficDistribute {
		out.Weights = map[string]map[string]int{}
	} else {
		out.Failover = map[string]string{}
	}
	for _, w := range t.Weights {
		out.Weights[w.From] = w.To
	}
	for _, f := range t.Failover {
		out.Failover[f.From] = f.To
	}
	return out
}

func trafficOutput(t *sample.Traffic) pulumi.Map {
	out := pulumi.Map{"mode": pulumi.String(t.Mode), "profile": pulumi.String(t.Profile)}
	weights := pulumi.Map{}
	for from, to := range t.Weights {
		weights[from] = pulumi.ToIntMap(to)
	}
	if len(weights) > 0 {
		out["weights"] = weights
	}
	if len(t.Failover) > 0 {
		out["failover"] = pulumi.ToStringMap(t.Failover)
	}
	return out
}
