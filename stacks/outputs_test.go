package stacks

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/mesh/topology"
)

// exportsOf decodes what the program hands to the engine.
func exportsOf(t *testing.T, settings map[string]string) *Outputs {
	t.Helper()
	exported := make(chan map[string]any, 1)
	program := func(ctx *pulumi.Context) error {
		if err := ProgramWith(testArtifacts())(ctx); err != nil {
			return err
		}
		values := pulumi.ToOutput(pulumi.Map(ctx.GetCurrentExportMap()))
		values.ApplyT(func(v any) bool {
			exported <- v.(map[string]any)
			return true
		})
		return nil
	}
	config := func(info *pulumi.RunInfo) { info.Config = settings }
	if err := pulumi.RunErr(program, pulumi.WithMocks("meshwright", "lab", &recorder{}), config); err != nil {
		t.Fatal(err)
	}
	got, err := DecodeOutputs(<-exported)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestTrafficIsExported(t *testing.T) {
	for name, test := range map[string]struct {
		traffic string
		more    string // clusters
		want    topology.Rule
	}{
		"none": {`{"mode":"none"}`, "", topology.Rule{}},
		"distribute": {`{"mode":"distribute","profile":"article"}`, "", topology.Rule{
			Mode: "distribute", Profile: "article",
			Weights: map[string]map[string]int{"region1": {"region1": 80, "region2": 20}, "region2": {"region1": 20, "region2": 80}},
		}},
		"failover": {`{"mode":"failover"}`, "", topology.Rule{
			Mode: "failover", Profile: "zero-loss", Failover: map[string]string{"region1": "region2", "region2": "region1"},
		}},
		"failover from two localities": {`{"mode":"failover"}`, `,{"name":"c","network":"c","locality":{"region":"region2","zone":"z"}}`, topology.Rule{
			Mode: "failover", Profile: "zero-loss", Failover: map[string]string{"region1": "region2", "region2": "region1"}, Localities: 2,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			settings := stackConfig(t, "dev")
			settings["meshwright:traffic"] = test.traffic
			settings["meshwright:clusters"] = strings.TrimSuffix(settings["meshwright:clusters"], "]") + test.more + "]"
			if diff := cmp.Diff(test.want, exportsOf(t, settings).Traffic); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestOutputsAreWhatTheProgramExports looks at the dev stack.
func TestOutputsAreWhatTheProgramExports(t *testing.T) {
	cluster := func(index int, n, version, ingress, eastWest string) ClusterOutputs {
		name := "cluster" + n
		return ClusterOutputs{
			Cluster: topology.Cluster{
				Name: name, Network: "network" + n, ControlPlane: name,
				Locality: topology.Locality{Region: "region" + n, Zone: "zone" + n, Subzone: "subzone" + n},
			},
			KindName: "lab-" + name, APIServer: "https://lab-" + name + "-control-plane:6443",
			Kubeconfig: leak + name + "-kind", IngressAddress: ingress, EastWestAddress: eastWest,
			Nodes: []string{"lab-" + name + "-control-plane"}, HelloWorld: []string{version}, Index: index,
		}
	}
	got := exportsOf(t, stackConfig(t, "dev"))
	want := &Outputs{
		Lab: "lab", MeshID: "mesh1",
		Sample: &SampleOutputs{Namespace: "sample", Service: "helloworld", Port: 5000, Path: "/hello", ClientLabel: "app=sleep"},
		Clusters: []ClusterOutputs{
			cluster(0, "1", "v2", "10.207.72.1", "10.207.72.2"),
			cluster(1, "2", "v1", "10.207.72.33", "10.207.72.34"),
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeOutputs(t *testing.T) {
	cluster := func(index int) map[string]any { return map[string]any{"index": float64(index)} }
	t.Run("clusters are in the configuration's order", func(t *testing.T) {
		got, err := DecodeOutputs(map[string]any{"clusters": map[string]any{
			"a": map[string]any{"name": "a", "index": float64(10)}, "b": map[string]any{"name": "b", "index": float64(2)},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"b", "a"}, []string{got.Clusters[0].Name, got.Clusters[1].Name}); diff != "" {
			t.Error(diff)
		}
	})
	for name, values := range map[string]map[string]any{
		"a stack that is not up": {},
		"clusters as a list":     {"clusters": []any{cluster(0)}},
		"a number for a name":    {"clusters": map[string]any{"a": map[string]any{"name": 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := DecodeOutputs(values); err == nil {
				t.Errorf("decoded as %+v", got)
			}
		})
	}
}
