package kind

import (
	"maps"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	program "github.com/meshwright/meshwright/components/cluster"
	"github.com/meshwright/meshwright/internal/provider"
	pt "github.com/meshwright/meshwright/internal/provider/providertest"
)

// TestParity holds the provider to the program that uses it: every input that the
// program registers is read, every output set, secret is what the program says, and a
// change replaces unless the provider says otherwise.
func TestParity(t *testing.T) {
	t.Parallel()
	sdk := pt.ReadSource(t, "github.com/meshwright/meshwright/components/cluster", "resources.go")
	seen := registered(t)
	b, made := lab(t)
	patched := clusterInputs("a", "b")
	patched["kubeadmConfigPatches"] = pt.Arr("kind: KubeletConfiguration")
	one := b.client.MustCreate(clusterURN, patched)
	remembered := b.client.MustCreate(addressesURN, addressesInputs(64, "a"))
	nodes := seen["meshwright:kind:Cluster"].Inputs["nodes"].ArrayValue()
	if d := cmp.Diff(keys(nodes[0].ObjectValue()), pt.Decoded(reflect.TypeFor[node]())); d != "" {
		t.Errorf("nodes (-program +provider): %s", d)
	}
	for name, tc := range map[string]struct {
		token   string
		reads   reflect.Type
		made    *pt.Resource
		inPlace []string
	}{
		"Addresses":   {"meshwright:kind:Addresses", reflect.TypeFor[addresses](), remembered, []string{"clusters", "capacity"}},
		"Network":     {"meshwright:kind:Network", reflect.TypeFor[network](), made, nil},
		"kindCluster": {"meshwright:kind:Cluster", reflect.TypeFor[cluster](), one, []string{"context", "wait"}}, // labels of nodes: TestClusterLife
	} {
		t.Run(name, func(t *testing.T) {
			inputs := keys(seen[tc.token].Inputs)
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
			if d := cmp.Diff(seen[tc.token].RegisterRPC.GetAdditionalSecretOutputs(), secret); d != "" {
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

// registered are the resources of a network and a cluster as the program registers
// them, by type token.
func registered(t *testing.T) map[string]pulumi.MockResourceArgs {
	t.Helper()
	m := &mocks{seen: map[string]pulumi.MockResourceArgs{}}
	err := pulumi.RunErr(func(ctx *pulumi.Context) error {
		if _, err := program.NewNetwork(ctx, "n", &program.NetworkArgs{
			Lab: pulumi.String("l"), Name: pulumi.String("n"), Subnet: pulumi.String("s"), IPRange: pulumi.String("r"),
		}); err != nil {
			return err
		}
		if _, err := program.NewAddresses(ctx, "a", &program.AddressesArgs{Clusters: []string{"a"}, Capacity: 64}); err != nil {
			return err
		}
		_, err := program.New(ctx, "c", &program.Args{
			Network: pulumi.String("n"), Nodes: []program.Node{{Role: "control-plane", Labels: map[string]string{"a": "b"}}},
		})
		return err
	}, pulumi.WithMocks("project", "stack", m))
	if err != nil {
		t.Fatal(err)
	}
	return m.seen
}

// mocks is an engine that remembers what is registered.
type mocks struct {
	mu   sync.Mutex
	seen map[string]pulumi.MockResourceArgs
}

func (m *mocks) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen[args.TypeToken] = args
	return args.Name, args.Inputs, nil
}

func (*mocks) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) { return nil, nil }

func keys(m resource.PropertyMap) []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		out = append(out, string(key))
	}
	return out
}
