package stacks

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// TestOutputsAreWhatTheProgramExports decodes what the program of the dev stack
// hands to the engine.
func TestOutputsAreWhatTheProgramExports(t *testing.T) {
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
	config := func(info *pulumi.RunInfo) { info.Config = stackConfig(t, "dev") }
	if err := pulumi.RunErr(program, pulumi.WithMocks("meshwright", "lab", &recorder{}), config); err != nil {
		t.Fatal(err)
	}
	got, err := DecodeOutputs(<-exported)
	if err != nil {
		t.Fatal(err)
	}
	want := &Outputs{
		Lab: "lab", MeshID: "mesh1",
		Sample: &SampleOutputs{Namespace: "sample", Service: "helloworld", Port: 5000, Path: "/hello", ClientLabel: "app=sleep"},
		Clusters: []ClusterOutputs{
			{
				Name: "cluster1", KindName: "lab-cluster1", Network: "network1", ControlPlane: "cluster1",
				Region: "region1", Zone: "zone1", Subzone: "subzone1", APIServer: "https://lab-cluster1-control-plane:6443",
				Kubeconfig: leak + "cluster1-kind", IngressAddress: "10.207.72.1", EastWestAddress: "10.207.72.2",
				Nodes: []string{"lab-cluster1-control-plane"}, HelloWorld: []string{"v2"}, Index: 0,
			},
			{
				Name: "cluster2", KindName: "lab-cluster2", Network: "network2", ControlPlane: "cluster2",
				Region: "region2", Zone: "zone2", Subzone: "subzone2", APIServer: "https://lab-cluster2-control-plane:6443",
				Kubeconfig: leak + "cluster2-kind", IngressAddress: "10.207.72.33", EastWestAddress: "10.207.72.34",
				Nodes: []string{"lab-cluster2-control-plane"}, HelloWorld: []string{"v1"}, Index: 1,
			},
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
