package kind

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	pt "github.com/meshwright/meshwright/internal/provider/providertest"
)

var addressesURN = pt.URN("meshwright:kind:Addresses", "addresses")

func addressesInputs(capacity int, clusters ...any) resource.PropertyMap {
	return pt.Obj("clusters", pt.Arr(clusters...), "capacity", capacity)
}

// TestAddressesLife goes through updates as the engine does: what Check returns is what
// the state has, also after a preview and a refresh. No Docker is asked.
func TestAddressesLife(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	slots := func(m resource.PropertyMap) any { return m["slots"].Mappable() }
	type held = map[string]any

	inputs, failed := b.client.Check(addressesURN, nil, addressesInputs(64, "a", "b", "c"))
	if len(failed) > 0 {
		t.Fatal(failed)
	}
	first := held{"a": 0.0, "b": 1.0, "c": 2.0}
	if d := cmp.Diff(first, slots(b.client.Preview(addressesURN, inputs))); d != "" {
		t.Errorf("preview: %s", d)
	}
	r := b.client.MustCreate(addressesURN, addressesInputs(64, "a", "b", "c"))
	read, err := b.client.Read(r)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := b.client.Check(addressesURN, read.Inputs, addressesInputs(64, "a", "b", "c"))
	if diff := b.client.Diff(read, again); len(diff.GetDiffs()) > 0 {
		t.Errorf("nothing changed: %v", diff)
	}

	news := addressesInputs(64, "d", "c", "a")
	checked, _ := b.client.Check(addressesURN, read.Inputs, news)
	if diff := b.client.Diff(read, checked); len(diff.GetReplaces()) > 0 {
		t.Errorf("replaced: %v", diff)
	}
	second := held{"a": 0.0, "c": 2.0, "d": 3.0}
	if d := cmp.Diff(second, slots(b.client.PreviewUpdate(read, news))); d != "" {
		t.Errorf("preview of an update: %s", d)
	}
	if r, err = b.client.Update(t.Context(), read, news); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(second, slots(r.Outputs)); d != "" {
		t.Errorf("update: %s", d)
	}
	if err := b.client.Delete(t.Context(), r); err != nil {
		t.Error(err)
	}
	if len(b.networks) > 0 || len(b.commands) > 0 {
		t.Errorf("Docker was asked: %v %v", b.networks, b.commands)
	}
}

func TestAddressesAreRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, tc := range map[string]struct{ olds, news resource.PropertyMap }{
		"no room":                 {nil, addressesInputs(1, "a", "b")},
		"a state that is damaged": {pt.Obj("slots", "none"), addressesInputs(64, "a")},
		"an input that is none":   {nil, pt.With(addressesInputs(64, "a"), pt.Obj("pool", "x"))},
	} {
		if got, failed := b.client.Check(addressesURN, tc.olds, tc.news); len(failed) == 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}
