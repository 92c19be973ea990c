package plan

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	assigned "github.com/meshwright/meshwright/internal/slots"
	"github.com/meshwright/meshwright/mesh/topology"
)

// netipCompare lets cmp look at addresses, whose fields are private.
var netipCompare = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

var addrCompare = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// article is the source article's example.
func article() *Config {
	return &Config{Clusters: []ClusterConfig{
		{Cluster: articleCluster(1), HelloWorld: []string{"v2"}},
		{Cluster: articleCluster(2), HelloWorld: []string{"v1"}},
	}}
}

// articleCluster is the n-th cluster of the article as it is configured.
func articleCluster(n int) topology.Cluster {
	numbered := func(name string) string { return fmt.Sprintf("%s%d", name, n) }
	return topology.Cluster{
		Name: numbered("cluster"), Network: numbered("network"),
		Locality: topology.Locality{Region: numbered("region"), Zone: numbered("zone"), Subzone: numbered("subzone")},
	}
}

func TestPlanOfTheArticle(t *testing.T) {
	got, err := NewPlan("dev", article(), nil)
	if err != nil {
		t.Fatal(err)
	}
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	cluster := func(n int, version, pods, services string, pool AddressRange, eastWest string) Cluster {
		c := articleCluster(n)
		c.ControlPlane = c.Name
		return Cluster{
			Cluster: c, KindName: "dev-" + c.Name, HelloWorld: []string{version},
			PodSubnet: prefix(pods), ServiceSubnet: prefix(services),
			AddressPool: pool, IngressAddress: addr(eastWest).Prev(), EastWestAddress: addr(eastWest),
			APIServer: "https://dev-" + c.Name + "-control-plane:6443",
			Nodes: []Node{{Name: "dev-" + c.Name + "-control-plane", Role: "control-plane", Labels: map[string]string{
				"topology.kubernetes.io/region": c.Region, "topology.kubernetes.io/zone": c.Zone, "topology.istio.io/subzone": c.Subzone,
			}}},
		}
	}
	want := &Plan{
		Lab: "dev", MeshID: "mesh1", Artifacts: "registry",
		Subnet: prefix("10.219.192.0/20"), NodeRange: prefix("10.219.192.0/21"),
		SampleNamespace: "sample",
		Clusters: []Cluster{
			cluster(1, "v2", "10.10.0.0/16", "10.110.0.0/16", AddressRange{addr("10.219.200.3"), addr("10.219.200.30")}, "10.219.200.2"),
			cluster(2, "v1", "10.11.0.0/16", "10.111.0.0/16", AddressRange{addr("10.219.200.35"), addr("10.219.200.62")}, "10.219.200.34"),
		},
	}
	if diff := cmp.Diff(want, got, netipCompare, addrCompare); diff != "" {
		t.Error(diff)
	}
}

// drawLab draws a lab of at most max clusters whose configuration is valid: primaries
// and remotes in any order, some with ranges of their own.
func drawLab(t *rapid.T, max int) (lab string, c *Config) {
	lab = rapid.StringMatching(`[a-z]([a-z0-9]{0,8}[a-z0-9])?`).Draw(t, "lab")
	n := rapid.IntRange(1, max).Draw(t, "clusters")
	primary := rapid.SliceOfN(rapid.Bool(), n, n).Draw(t, "primary")
	primary[rapid.IntRange(0, n-1).Draw(t, "first primary")] = true
	var primaries []string
	for i, p := range primary {
		if p {
			primaries = append(primaries, fmt.Sprintf("c%d", i))
		}
	}
	c = &Config{}
	for i := range n {
		cluster := ClusterConfig{
			Cluster: topology.Cluster{
				Name:    fmt.Sprintf("c%d", i),
				Network: rapid.SampledFrom([]string{"n1", "n2", "n3"}).Draw(t, "network"),
			},
			Workers: rapid.IntRange(0, 3).Draw(t, "workers"),
		}
		if !primary[i] {
			cluster.ControlPlane = rapid.SampledFrom(primaries).Draw(t, "control plane")
		}
		c.Clusters = append(c.Clusters, cluster)
	}
	for range rapid.IntRange(0, 8).Draw(t, "ranges") {
		cluster := &c.Clusters[rapid.IntRange(0, n-1).Draw(t, "of cluster")]
		fields := map[string]*string{"subnet": &c.Subnet, "podSubnet": &cluster.PodSubnet, "serviceSubnet": &cluster.ServiceSubnet}
		field := fields[rapid.SampledFrom([]string{"subnet", "podSubnet", "serviceSubnet"}).Draw(t, "field")]
		before := *field
		if *field = drawRange(t); !plannable(lab, c) {
			*field = before
		}
	}
	return lab, c
}

// drawRange draws a CIDR out of those that RFC 1918 leaves to private networks.
func drawRange(t *rapid.T) string {
	from := netip.MustParsePrefix(rapid.SampledFrom([]string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}).Draw(t, "from"))
	at := offset(from.Addr(), rapid.Uint32Range(0, 1<<(32-from.Bits())-1).Draw(t, "offset"))
	return netip.PrefixFrom(at, rapid.IntRange(from.Bits(), 24).Draw(t, "bits")).Masked().String()
}

func TestAddressesAreDisjoint(t *testing.T) {
	type held struct {
		cluster, network string
		prefix           netip.Prefix
		picked           bool // by the plan
	}
	rapid.Check(t, func(t *rapid.T) {
		lab, c := drawLab(t, MaxClusters)
		p, err := NewPlan(lab, c, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.Subnet == "" && !netip.MustParsePrefix("10.192.0.0/11").Contains(p.Subnet.Addr()) || p.Subnet != p.Subnet.Masked() {
			t.Fatalf("lab subnet %s", p.Subnet)
		}
		if c.Subnet != "" && p.Subnet.String() != c.Subnet {
			t.Fatalf("lab subnet %s, not %s as configured", p.Subnet, c.Subnet)
		}
		var ranges []held
		used := map[netip.Addr]string{}
		for i, m := range p.Clusters {
			for _, r := range []struct {
				prefix     netip.Prefix
				configured string
			}{{m.PodSubnet, c.Clusters[i].PodSubnet}, {m.ServiceSubnet, c.Clusters[i].ServiceSubnet}} {
				if r.configured != "" && r.prefix.String() != r.configured {
					t.Fatalf("%s of %s, not %s as configured", r.prefix, m.Name, r.configured)
				}
				if r.prefix.Overlaps(p.Subnet) {
					t.Fatalf("%s of %s overlaps the lab's %s", r.prefix, m.Name, p.Subnet)
				}
				ranges = append(ranges, held{m.Name, m.Network, r.prefix, r.configured == ""})
			}
			for what, a := range map[string]netip.Addr{"ingress": m.IngressAddress, "east-west": m.EastWestAddress} {
				if other, ok := used[a]; ok {
					t.Fatalf("%s of %s has the address of %s", what, m.Name, other)
				}
				used[a] = what + " of " + m.Name
				for _, other := range p.Clusters {
					if other.AddressPool.Contains(a) {
						t.Fatalf("%s %s is in the pool %s, where any service can get it", what, a, other.AddressPool)
					}
				}
				if !p.Subnet.Contains(a) || p.NodeRange.Contains(a) {
					t.Fatalf("%s %s: not in the upper half of %s", what, a, p.Subnet)
				}
			}
			for _, end := range []netip.Addr{m.AddressPool.First, m.AddressPool.Last} {
				if !p.Subnet.Contains(end) || p.NodeRange.Contains(end) || !p.Subnet.Contains(end.Next()) {
					t.Fatalf("pool %s of %s: not in the upper half of %s, or its broadcast address", m.AddressPool, m.Name, p.Subnet)
				}
			}
			for _, other := range p.Clusters {
				if other.Name != m.Name && (m.AddressPool.Contains(other.AddressPool.First) || m.AddressPool.Contains(other.AddressPool.Last)) {
					t.Fatalf("pools of %s and %s meet", m.Name, other.Name)
				}
			}
		}
		for i, a := range ranges {
			for _, b := range ranges[:i] {
				meet := a.cluster == b.cluster || a.network == b.network
				if (meet || a.picked && b.picked) && a.prefix.Overlaps(b.prefix) {
					t.Fatalf("%s of %s overlaps %s of %s", a.prefix, a.cluster, b.prefix, b.cluster)
				}
			}
		}
	})
}

func TestEveryClusterIsWatchedByTheControlPlanesItNeeds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lab, c := drawLab(t, MaxClusters)
		p, err := NewPlan(lab, c, nil)
		if err != nil {
			t.Fatal(err)
		}
		mesh := p.Topology()
		for _, c := range mesh {
			own := p.Cluster(c.ControlPlane)
			if own == nil || !own.Primary() {
				t.Fatalf("%s is served by %q, no primary", c.Name, c.ControlPlane)
			}
			watchers, peers := mesh.Watchers(c.Name), mesh.Peers(c.Name)
			if !c.Primary() && (!slices.Contains(watchers, own.Name) || !slices.Contains(mesh.Remotes(own.Name), c.Name) || !mesh.EastWest(own.Name)) {
				t.Fatalf("remote %s: its primary must watch it and be reachable", c.Name)
			}
			for _, other := range mesh {
				watches := slices.Contains(watchers, other.Name)
				if should := other.Primary() && other.Name != c.Name; watches != should {
					t.Fatalf("%s watches %s: %t, want %t", other.Name, c.Name, watches, should)
				}
				if other.Network != c.Network && (!mesh.EastWest(c.Name) || !mesh.EastWest(other.Name)) {
					t.Fatalf("%s and %s are on two networks with no gateway between", c.Name, other.Name)
				}
				flat := slices.Contains(peers, other.Name)
				if should := other.Network == c.Network && other.Name != c.Name; flat != should {
					t.Fatalf("%s routes to %s: %t, want %t", c.Name, other.Name, flat, should)
				}
			}
		}
	})
}

func TestPlanIsAFunction(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lab, c := drawLab(t, MaxClusters)
		before := c.withDefaults()
		first, err := NewPlan(lab, c, nil)
		if err != nil {
			t.Fatal(err)
		}
		second, err := NewPlan(lab, c, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, second, netipCompare, addrCompare); diff != "" {
			t.Fatalf("planned twice: %s", diff)
		}
		if diff := cmp.Diff(before, c.withDefaults()); diff != "" {
			t.Fatalf("the configuration changed: %s", diff)
		}
	})
}

// TestNobodyMoves: clusters come and go, and change places. The others' plan is the same.
func TestNobodyMoves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lab, c := drawLab(t, 8)
		held := assigned.Assign(nil, c.Names(), c.Capacity())
		before, err := NewPlan(lab, c, held)
		if err != nil {
			t.Fatal(err)
		}
		c.Clusters = slices.DeleteFunc(slices.Clone(c.Clusters), func(cluster ClusterConfig) bool {
			needed := slices.ContainsFunc(c.Clusters, func(o ClusterConfig) bool { return o.ControlPlane == cluster.Name })
			return !needed && rapid.Bool().Draw(t, "remove "+cluster.Name)
		})
		c.Clusters = append(c.Clusters, ClusterConfig{Cluster: topology.Cluster{Name: "added", Network: "n1"}})
		c.Clusters = rapid.Permutation(c.Clusters).Draw(t, "order")
		after, err := NewPlan(lab, c, held)
		var invalid *InvalidError
		if errors.As(err, &invalid) && !slices.ContainsFunc(invalid.Problems, func(p Problem) bool { return p.Reason != Overlap && p.Reason != TooSmall }) {
			t.Skip("the configured ranges leave the added one no room")
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range before.Clusters {
			now := after.Cluster(m.Name)
			if now == nil {
				continue
			}
			if diff := cmp.Diff(m, *now, netipCompare, addrCompare); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// plannable reports whether a configuration is valid for a new lab.
func plannable(lab string, c *Config) bool {
	_, err := NewPlan(lab, c, nil)
	return err == nil
}
