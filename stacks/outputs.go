package stacks

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/components/sample"
	"github.com/meshwright/meshwright/mesh/topology"
)

// Outputs are the outputs of a stack.
type Outputs struct {
	Lab    string `json:"lab"`
	MeshID string `json:"meshID"`
	// Clusters in the configuration's order.
	Clusters []ClusterOutputs `json:"clusters"`
	// Sample is nil if the sample is off.
	Sample *SampleOutputs `json:"sample,omitempty"`
	// Traffic is the sample's rule with its defaults filled in; zero for mode none.
	Traffic topology.Rule `json:"traffic,omitzero"`
}

// ClusterOutputs are the outputs of one cluster.
type ClusterOutputs struct {
	topology.Cluster
	KindName string `json:"kindName"`
	// APIServer is the URL inside the lab's network.
	APIServer string `json:"apiServer"`
	// Kubeconfig is a secret; its context is the cluster's name.
	Kubeconfig     string `json:"kubeconfig"`
	IngressAddress string `json:"ingressAddress"`
	// EastWestAddress is empty if the cluster has no east-west gateway.
	EastWestAddress string   `json:"eastWestAddress,omitempty"`
	Nodes           []string `json:"nodes"`
	// HelloWorld lists the versions of the sample in the cluster.
	HelloWorld []string `json:"helloworld,omitempty"`
	// Index is the cluster's place in the configuration.
	Index int `json:"index"`
}

// SampleOutputs say how to reach the sample.
type SampleOutputs struct {
	Namespace   string `json:"namespace"`
	Service     string `json:"service"`
	Port        int    `json:"port"`
	Path        string `json:"path"`
	ClientLabel string `json:"clientLabel"`
}

// export registers the stack's outputs.
func (l *lab) export(ctx *pulumi.Context) error {
	ctx.Export("lab", pulumi.String(l.plan.Lab))
	ctx.Export("meshID", pulumi.String(l.plan.MeshID))
	clusters := pulumi.Map{}
	for i := range l.plan.Clusters {
		m := l.members[l.plan.Clusters[i].Name]
		clusters[m.Name] = m.outputs(i, l.mesh.EastWest(m.Name))
	}
	ctx.Export("clusters", clusters)
	if l.plan.SampleNamespace != "" {
		ctx.Export("sample", pulumi.Map{
			"namespace":   pulumi.String(l.plan.SampleNamespace),
			"service":     pulumi.String(sample.Service),
			"port":        pulumi.Int(sample.Port),
			"path":        pulumi.String(sample.Path),
			"clientLabel": pulumi.String(sample.ClientLabel),
		})
		if l.plan.Traffic.Regional() {
			ctx.Export("traffic", trafficOutput(l.plan.Traffic))
		}
	}
	return nil
}

func trafficOutput(t topology.Rule) pulumi.Map {
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
	if t.Localities > 0 {
		out["localities"] = pulumi.Int(t.Localities)
	}
	return out
}

func (m *member) outputs(index int, eastWest bool) pulumi.Map {
	out := pulumi.Map{
		"index":          pulumi.Int(index),
		"name":           pulumi.String(m.Name),
		"kindName":       pulumi.String(m.KindName),
		"network":        pulumi.String(m.Network),
		"controlPlane":   pulumi.String(m.ControlPlane),
		"apiServer":      pulumi.String(m.APIServer),
		"kubeconfig":     pulumi.ToSecret(m.cluster.Kubeconfig),
		"ingressAddress": pulumi.String(m.IngressAddress.String()),
		"nodes":          m.cluster.NodeNames,
		"helloworld":     pulumi.ToStringArray(m.HelloWorld),
	}
	if eastWest {
		out["eastWestAddress"] = pulumi.String(m.EastWestAddress.String())
	}
	if m.Locality != (topology.Locality{}) {
		out["locality"] = pulumi.StringMap{
			"region": pulumi.String(m.Region), "zone": pulumi.String(m.Zone), "subzone": pulumi.String(m.Subzone),
		}
	}
	return out
}

// DecodeOutputs reads a stack's outputs as plain values by name, the form of the
// Automation API and of `pulumi stack output --json --show-secrets`. It is an error if
// there are none, because the stack is not up.
func DecodeOutputs(values map[string]any) (*Outputs, error) {
	if _, ok := values["clusters"]; !ok {
		return nil, errors.New("the stack has no outputs")
	}
	var raw struct {
		Outputs
		Clusters map[string]ClusterOutputs `json:"clusters"`
	}
	text, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("stack outputs: %w", err)
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("stack outputs are of another version: %w", err)
	}
	out := raw.Outputs
	out.Clusters = slices.SortedFunc(maps.Values(raw.Clusters), func(a, b ClusterOutputs) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(a.Name, b.Name))
	})
	return &out, nil
}
