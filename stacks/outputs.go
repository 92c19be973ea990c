package stacks

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/components/sample"
)

// Outputs is what a stack hands back.
type Outputs struct {
	Lab    string `json:"lab"`
	MeshID string `json:"meshID"`
	// Clusters in the configuration's order.
	Clusters []ClusterOutputs `json:"clusters"`
	// Sample is nil when it is switched off.
	Sample *SampleOutputs `json:"sample,omitempty"`
	// Traffic is the sample's rule with its defaults filled in; zero for mode none.
	Traffic sample.Traffic `json:"traffic,omitzero"`
}

// ClusterOutputs is what a stack hands back of one cluster.
type ClusterOutputs struct {
	Name     string `json:"name"`
	KindName string `json:"kindName"`
	Network  string `json:"network"`
	// ControlPlane is the primary's name; the cluster's own if it is one.
	ControlPlane string `json:"controlPlane"`
	Region       string `json:"region,omitempty"`
	Zone         string `json:"zone,omitempty"`
	Subzone      string `json:"subzone,omitempty"`
	// APIServer is the URL inside the lab's network.
	APIServer string `json:"apiServer"`
	// Kubeconfig is a secret; its context is the cluster's name.
	Kubeconfig     string `json:"kubeconfig"`
	IngressAddress string `json:"ingressAddress"`
	// EastWestAddress is empty where no east-west gateway stands.
	EastWestAddress string   `json:"eastWestAddress,omitempty"`
	Nodes           []string `json:"nodes"`
	// HelloWorld lists the sample's versions here.
	HelloWorld []string `json:"helloworld,omitempty"`
	// Index is the cluster's place in the configuration.
	Index int `json:"index"`
}

// SampleOutputs says where the sample is, for those who call it.
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
		clusters[m.Name] = m.outputs(i)
	}
	ctx.Export("clusters", clusters)
	if l.plan.Sample != nil {
		ctx.Export("sample", pulumi.Map{
			"namespace":   pulumi.String(l.plan.Sample.Namespace),
			"service":     pulumi.String(sample.Service),
			"port":        pulumi.Int(sample.Port),
			"path":        pulumi.String(sample.Path),
			"clientLabel": pulumi.String(sample.ClientLabel),
		})
		if rule := l.plan.Sample.Traffic; rule.Regional() {
			ctx.Export("traffic", trafficOutput(rule))
		}
	}
	return nil
}

func trafficOutput(t sample.Traffic) pulumi.Map {
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

func (m *member) outputs(index int) pulumi.Map {
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
	if m.EastWest {
		out["eastWestAddress"] = pulumi.String(m.EastWestAddress.String())
	}
	for key, value := range map[string]string{
		"region": m.Locality.Region, "zone": m.Locality.Zone, "subzone": m.Locality.Subzone,
	} {
		if value != "" {
			out[key] = pulumi.String(value)
		}
	}
	return out
}

// DecodeOutputs reads a stack's outputs as the Automation API or
// `pulumi stack output --json --show-secrets` give them: plain values by name.
// A stack that is not up has none, which is an error.
func DecodeOutputs(values map[string]any) (*Outputs, error) {
	if _, ok := values["clusters"]; !ok {
		return nil, errors.New("the stack has no outputs")
	}
	var raw struct {
		Lab      string                    `json:"lab"`
		MeshID   string                    `json:"meshID"`
		Clusters map[string]ClusterOutputs `json:"clusters"`
		Sample   *SampleOutputs            `json:"sample"`
		Traffic  sample.Traffic            `json:"traffic"`
	}
	text, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("stack outputs: %w", err)
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("stack outputs are of another version: %w", err)
	}
	out := &Outputs{Lab: raw.Lab, MeshID: raw.MeshID, Sample: raw.Sample, Traffic: raw.Traffic}
	for _, c := range raw.Clusters {
		out.Clusters = append(out.Clusters, c)
	}
	slices.SortFunc(out.Clusters, func(a, b ClusterOutputs) int {
		if a.Index != b.Index {
			return a.Index - b.Index
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out, nil
}
