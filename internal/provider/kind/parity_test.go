package kind

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	sdk "github.com/meshwright/meshwright/components/cluster"
	pt "github.com/meshwright/meshwright/internal/provider/providertest"
)

// TestParity holds the provider to the types by which programs use it: every input
// is read, every output is set.
func TestParity(t *testing.T) {
	b, made := lab(t)
	patched := clusterInputs("a", "b")
	patched["kubeadmConfigPatches"] = pt.Arr("kind: KubeletConfiguration")
	one := b.client.MustCreate(clusterURN, patched)
	for name, tc := range map[string]struct {
		args, reads, made reflect.Type
		outputs           *pt.Resource
	}{
		"Network": {sdk.NetworkArgs{}.ElementType(), reflect.TypeFor[network](), reflect.TypeFor[sdk.Network](), made},
		"Cluster": {sdk.KindArgs{}.ElementType(), reflect.TypeFor[cluster](), reflect.TypeFor[sdk.Kind](), one},
		"node":    {sdk.KindNode{}.ElementType(), reflect.TypeFor[node](), nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(tags(tc.args, "pulumi"), tags(tc.reads, "json")); d != "" {
				t.Errorf("inputs (-program +provider): %s", d)
			}
			if tc.made == nil {
				return
			}
			for _, output := range tags(tc.made, "pulumi") {
				if _, ok := tc.outputs.Outputs[resource.PropertyKey(output)]; !ok {
					t.Errorf("output %s is never set", output)
				}
			}
		})
	}
}

// tags returns the names that a struct's fields have under a tag, sorted, without
// those that every resource has.
func tags(typ reflect.Type, tag string) []string {
	var names []string
	for _, f := range reflect.VisibleFields(typ) {
		name, _, _ := strings.Cut(f.Tag.Get(tag), ",")
		if name != "" && name != "id" && name != "urn" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
