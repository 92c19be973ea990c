package kind

import (
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/meshwright/meshwright/internal/provider"
	pt "github.com/meshwright/meshwright/internal/provider/providertest"
)

// TestParity holds the provider to the types by which programs use it: every input
// is read, every output set, secret is what they say, and a change replaces unless
// they say otherwise.
func TestParity(t *testing.T) {
	t.Parallel()
	sdk := pt.ReadSource(t, "github.com/meshwright/meshwright/components/cluster", "resources.go")
	b, made := lab(t)
	patched := clusterInputs("a", "b")
	patched["kubeadmConfigPatches"] = pt.Arr("kind: KubeletConfiguration")
	one := b.client.MustCreate(clusterURN, patched)
	if d := cmp.Diff(sdk.Properties("kindNode"), pt.Decoded(reflect.TypeFor[node]())); d != "" {
		t.Errorf("nodes (-program +provider): %s", d)
	}
	for name, tc := range map[string]struct {
		reads   reflect.Type
		made    *pt.Resource
		inPlace []string
	}{
		"Network": {reflect.TypeFor[network](), made, nil},
		"Kind":    {reflect.TypeFor[cluster](), one, []string{"context", "wait"}}, // labels of nodes: TestClusterLife
	} {
		t.Run(name, func(t *testing.T) {
			inputs := sdk.Properties(pt.Inputs(name))
			if d := cmp.Diff(inputs, pt.Decoded(tc.reads)); d != "" {
				t.Errorf("inputs (-program +provider): %s", d)
			}
			for _, output := range sdk.Properties(name) {
				if _, ok := tc.made.Outputs[resource.PropertyKey(output)]; !ok {
					t.Errorf("output %s is never set", output)
				}
			}
			var secret []string
			for key, v := range tc.made.Outputs {
				if v.IsSecret() {
					secret = append(secret, string(key))
				}
			}
			if d := cmp.Diff(sdk.Option(name, "AdditionalSecretOutputs"), secret); d != "" {
				t.Errorf("secret outputs (-program +provider): %s", d)
			}
			for _, input := range inputs {
				news := tc.made.Inputs.Copy()
				news[resource.PropertyKey(input)] = provider.Unknown()
				d := b.client.Diff(tc.made, news)
				if got := slices.Contains(d.GetReplaces(), input); got == slices.Contains(tc.inPlace, input) || !slices.Contains(d.GetDiffs(), input) {
					t.Errorf("a change of %s: %v", input, d)
				}
			}
		})
	}
}
