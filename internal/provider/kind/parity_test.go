package kind

import (
	"bytes"
	"os"
	"reflect"
	"regexp"
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
	source, err := os.ReadFile("../../../components/cluster/resources.go")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(registered(t, source, `pulumi\.Map\{("role".*?)\}\)`), pt.Decoded(reflect.TypeFor[node]())); d != "" {
		t.Errorf("nodes (-program +provider): %s", d)
	}
	for name, tc := range map[string]struct {
		token   string
		reads   reflect.Type
		made    *pt.Resource
		inPlace []string
	}{
		"Network":     {"meshwright:kind:Network", reflect.TypeFor[network](), made, nil},
		"kindCluster": {"meshwright:kind:Cluster", reflect.TypeFor[cluster](), one, []string{"context", "wait"}}, // labels of nodes: TestClusterLife
	} {
		t.Run(name, func(t *testing.T) {
			inputs := registered(t, source, `(?s)"`+tc.token+`", name, pulumi\.Map\{(.*?)\n\t\}, `)
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
			var declared []string
			if name == "kindCluster" && bytes.Contains(source, []byte(`AdditionalSecretOutputs([]string{"kubeconfig"})`)) {
				declared = []string{"kubeconfig"}
			}
			if d := cmp.Diff(declared, secret); d != "" {
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

// registered are the inputs of a map in the program's source, sorted.
func registered(t *testing.T, source []byte, pattern string) []string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindSubmatch(source)
	if m == nil {
		t.Fatalf("no %s in the program", pattern)
	}
	var names []string
	for _, key := range regexp.MustCompile(`"(\w+)":`).FindAllSubmatch(m[1], -1) {
		names = append(names, string(key[1]))
	}
	slices.Sort(names)
	return names
}
