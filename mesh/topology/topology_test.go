package topology

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestModels tells the four models of a mesh apart.
func TestModels(t *testing.T) {
	type facts struct {
		EastWest, ServesRemotes bool
		WatchedBy, FlatPeers    []string
	}
	cluster := func(name, network, controlPlane string) Cluster {
		return Cluster{Name: name, Network: network, ControlPlane: controlPlane}
	}
	for name, test := range map[string]struct {
		mesh Topology
		want []facts
	}{
		"non-flat, multiple control planes": {
			Topology{cluster("a", "n1", "a"), cluster("b", "n2", "b")},
			[]facts{{EastWest: true, WatchedBy: []string{"b"}}, {EastWest: true, WatchedBy: []string{"a"}}},
		},
		"flat, multiple control planes": {
			Topology{cluster("a", "n", "a"), cluster("b", "n", "b")},
			[]facts{{WatchedBy: []string{"b"}, FlatPeers: []string{"b"}}, {WatchedBy: []string{"a"}, FlatPeers: []string{"a"}}},
		},
		"non-flat, single control plane": {
			Topology{cluster("a", "n1", "a"), cluster("b", "n2", "a")},
			[]facts{{EastWest: true, ServesRemotes: true}, {EastWest: true, WatchedBy: []string{"a"}}},
		},
		"flat, single control plane": {
			Topology{cluster("a", "n", "a"), cluster("b", "n", "a")},
			[]facts{{EastWest: true, ServesRemotes: true, FlatPeers: []string{"b"}}, {WatchedBy: []string{"a"}, FlatPeers: []string{"a"}}},
		},
		"two primaries on one network, a remote on another": {
			Topology{cluster("r", "n2", "b"), cluster("a", "n1", "a"), cluster("b", "n1", "b")},
			[]facts{
				{EastWest: true, WatchedBy: []string{"a", "b"}},
				{EastWest: true, WatchedBy: []string{"b"}, FlatPeers: []string{"b"}},
				{EastWest: true, ServesRemotes: true, WatchedBy: []string{"a"}, FlatPeers: []string{"a"}},
			},
		},
		"one cluster": {Topology{cluster("a", "n", "a")}, []facts{{}}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []facts
			for _, c := range test.mesh {
				got = append(got, facts{
					test.mesh.EastWest(c.Name), len(test.mesh.Remotes(c.Name)) > 0, test.mesh.Watchers(c.Name), test.mesh.Peers(c.Name),
				})
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRelations(t *testing.T) {
	mesh := Topology{
		{Name: "r", Network: "n2", ControlPlane: "b"},
		{Name: "a", Network: "n1", ControlPlane: "a"},
		{Name: "b", Network: "n1", ControlPlane: "b"},
	}
	got := map[string][]string{
		"primaries": mesh.Primaries(), "networks": mesh.Networks(), "remotes of a": mesh.Remotes("a"), "remotes of b": mesh.Remotes("b"),
		"peers of an unknown cluster": mesh.Peers("x"),
	}
	want := map[string][]string{
		"primaries": {"a", "b"}, "networks": {"n2", "n1"}, "remotes of a": nil, "remotes of b": {"r"},
		"peers of an unknown cluster": nil,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !mesh.Flat() || mesh[:2].Flat() {
		t.Error("two of the clusters share a network, the first two do not")
	}
}

// TestNoRule: a mesh that cannot spread requests over regions has the zero rule.
func TestNoRule(t *testing.T) {
	in := func(regions ...string) Regions {
		var mesh Topology
		for _, region := range regions {
			mesh = append(mesh, Cluster{Locality: Locality{Region: region}})
		}
		return mesh.Regions(func(i int) bool { return i < 2 })
	}
	for name, test := range map[string]struct {
		regions Regions
		mode    string
		want    bool
	}{
		"two regions":              {in("a", "b"), Failover, true},
		"another mode":             {in("a", "b"), "none", false},
		"one region":               {in("a", "a"), Distribute, false},
		"one region that serves":   {in("a", "a", "b"), Distribute, false},
		"a cluster without region": {in("a", "b", ""), Distribute, false},
	} {
		if got := test.regions.Rule(test.mode, ZeroLoss).Regional(); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
