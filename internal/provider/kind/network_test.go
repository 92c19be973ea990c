package kind

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/docker/mark"
	"github.com/meshwright/meshwright/internal/provider"
	pt "github.com/meshwright/meshwright/internal/provider/providertest"
)

func TestNetworkLife(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if got := b.client.Preview(networkURN, networkInputs())["gateway"]; got.StringValue() != "10.192.0.1" {
		t.Errorf("gateway in the preview = %v", got)
	}
	if len(b.networks) > 0 {
		t.Error("the preview made a network")
	}
	r := b.client.MustCreate(networkURN, networkInputs())
	if string(r.ID) != b.networks[0].ID || r.Outputs["gateway"].StringValue() != "10.192.0.1" {
		t.Errorf("created %v %v", r.ID, r.Outputs)
	}
	read, err := b.client.Read(r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := b.client.Diff(read, networkInputs()); len(diff.GetDiffs()) > 0 {
		t.Errorf("diff after a refresh = %v", diff)
	}
	news := networkInputs()
	news["subnet"] = resource.NewStringProperty("10.193.0.0/20")
	if diff := b.client.Diff(r, news); len(diff.GetReplaces()) != 1 || !diff.GetDeleteBeforeReplace() {
		t.Errorf("diff of another subnet = %v", diff)
	}
	b.client.ExpectGone(t, r)
}

func TestNetworkOfAnInterruptedRunIsTakenOver(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.client.MustCreate(networkURN, networkInputs())
	again := b.client.MustCreate(networkURN, networkInputs())
	if first.ID != again.ID || len(b.networks) != 1 {
		t.Errorf("%s and %s, %d networks", first.ID, again.ID, len(b.networks))
	}
	news := networkInputs()
	news["subnet"], news["ipRange"] = resource.NewStringProperty("10.193.0.0/20"), resource.NewNullProperty()
	other := b.client.MustCreate(networkURN, news)
	if other.ID == first.ID || len(b.networks) != 1 {
		t.Errorf("one with other addresses was not recreated: %v", b.networks)
	}
}

func TestForeignNetworkIsRefusedAndLeft(t *testing.T) {
	t.Parallel()
	tests := map[string]map[string]string{
		"no labels":     nil,
		"another lab":   {mark.LabLabel: "other", mark.OwnerLabel: "x"},
		"another owner": {mark.LabLabel: "lab", mark.OwnerLabel: "x"},
	}
	for name, labels := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.networks = []docker.Network{{ID: "id", Name: "lab-net", Labels: labels}}
			if _, err := b.client.Create(t.Context(), networkURN, networkInputs()); err == nil || !strings.Contains(err.Error(), "not this lab's") {
				t.Errorf("create: %v", err)
			}
			state := &pt.Resource{URN: networkURN, ID: "id", Inputs: networkInputs(), Outputs: networkInputs()}
			if err := b.client.Delete(t.Context(), state); err == nil {
				t.Error("it was removed")
			}
			if len(b.networks) != 1 {
				t.Error("the network is gone")
			}
		})
	}
}

// TestNetworkTakesHalfMadeClustersWithIt: after a crash in a cluster's create no
// state knows of its nodes, and the network is all that destroy deletes.
func TestNetworkTakesHalfMadeClustersWithIt(t *testing.T) {
	t.Parallel()
	b, r := lab(t)
	b.addNode("lab-c1", "lab-c1-control-plane", "lab-net", filepath.Join(b.labDir("lab"), "owner"), nil)
	b.addNode("other", "other-control-plane", "kind", "", nil)
	if err := b.client.Delete(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"other-control-plane"}, b.names()); d != "" {
		t.Error(d)
	}
	if len(b.networks) > 0 {
		t.Error("the network is still there")
	}
}

func TestNetworkWithAForeignContainerStays(t *testing.T) {
	t.Parallel()
	b, r := lab(t)
	b.addNode("lab-c1", "lab-c1-control-plane", "lab-net", filepath.Join(b.labDir("lab"), "owner"), nil)
	b.addNode("guest", "guest", "lab-net", "", nil)
	if err := b.client.Delete(t.Context(), r); err == nil || !strings.Contains(err.Error(), "guest") {
		t.Errorf("err = %v", err)
	}
	if len(b.networks) != 1 || len(b.containers) != 2 {
		t.Errorf("changed: %v, %v", b.networks, b.names())
	}
}

func TestTakenAddressesNameTheSetting(t *testing.T) {
	t.Parallel()
	b, _ := lab(t)
	other := networkInputs()
	other["name"] = resource.NewStringProperty("second")
	if _, err := b.client.Create(t.Context(), networkURN, other); err == nil || !strings.Contains(err.Error(), "meshwright:subnet") {
		t.Errorf("err = %v", err)
	}
}

func TestNetworkCheck(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change resource.PropertyMap
		want   string
	}{
		"good":              {nil, ""},
		"unknown subnet":    {pt.Obj("subnet", provider.Unknown()), ""},
		"host bits set":     {pt.Obj("subnet", "10.192.0.1/20"), "subnet: "},
		"IPv6":              {pt.Obj("subnet", "fd00::/64"), "subnet: "},
		"range outside":     {pt.Obj("ipRange", "10.200.0.0/21"), "ipRange: "},
		"range larger":      {pt.Obj("ipRange", "10.192.0.0/19"), "ipRange: "},
		"an extra property": {pt.Obj("driver", "overlay"), `unknown property "driver"`},
	}
	b := newBench(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b.client.ExpectFailure(t, networkURN, pt.With(networkInputs(), tt.change), tt.want)
		})
	}
}
