package automation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"

	"github.com/meshwright/meshwright/automation/internal/backend"
	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/mesh/topology"
	"github.com/meshwright/meshwright/stacks/plan"
)

func TestTakenByRoutes(t *testing.T) {
	// A machine with a default route, its own network, a VPN in two halves, a network
	// by a gateway, one by two gateways, and a single host.
	route := func(index int, to string, gateway string) netlink.Route {
		_, dst, err := net.ParseCIDR(to)
		if err != nil {
			t.Fatal(err)
		}
		return netlink.Route{LinkIndex: index, Dst: dst, Gw: net.ParseIP(gateway)}
	}
	several := route(0, "10.30.0.0/16", "")
	several.MultiPath = make([]*netlink.NexthopInfo, 2)
	prefix := netip.MustParsePrefix
	want := []taken{
		{prefix("192.0.2.0/24"), "the route by eth0", false},
		{prefix("10.20.0.0/16"), "the route by tun0", true},
		{prefix("10.30.0.0/16"), "the route by *", true},
		{prefix("169.254.169.254/32"), "the route by eth0", false},
	}
	got := takenByRoutes([]netlink.Route{
		{LinkIndex: 1, Gw: net.ParseIP("192.0.2.1")},
		route(1, "0.0.0.0/0", "192.0.2.1"), route(1, "192.0.2.0/24", ""),
		route(2, "0.0.0.0/1", "10.8.0.1"), route(2, "128.0.0.0/1", "10.8.0.1"), route(2, "10.20.0.0/16", "10.8.0.1"),
		several, route(1, "169.254.169.254/32", ""),
	}, func(index int) string { return []string{"*", "eth0", "tun0"}[index] })
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(taken{}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestMachineRoutes reads those of the machine that runs the test.
func TestMachineRoutes(t *testing.T) {
	routes, err := machineRoutes()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range routes {
		if !r.prefix.IsValid() || r.by == "the route by " {
			t.Errorf("route %+v", r)
		}
	}
}

func TestCollisions(t *testing.T) {
	planned, err := plan.NewPlan("dev", &plan.Config{
		Subnet: "10.200.0.0/20",
		Clusters: []plan.ClusterConfig{
			{Cluster: topology.Cluster{Name: "cluster1", Network: "network1"}},
			{Cluster: topology.Cluster{Name: "cluster2", Network: "network2"}},
		},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	network := func(cidr string) taken { return taken{netip.MustParsePrefix(cidr), "Docker network kind", false} }
	route := func(cidr string, beyond bool) taken {
		return taken{netip.MustParsePrefix(cidr), "the route by eth0", beyond}
	}
	for name, c := range map[string]struct {
		used []taken
		want []string // keys
	}{
		"an idle machine":                          {[]taken{network("172.17.0.0/16"), route("192.0.2.0/24", false)}, nil},
		"the same Docker network":                  {[]taken{network("10.200.0.0/20")}, []string{"meshwright:subnet"}},
		"a Docker network inside it":               {[]taken{network("10.200.8.0/24")}, []string{"meshwright:subnet"}},
		"a Docker network around it":               {[]taken{network("10.200.0.0/16")}, []string{"meshwright:subnet"}},
		"a Docker network beside it":               {[]taken{network("10.200.16.0/20")}, nil},
		"told once, though seen twice":             {[]taken{network("10.200.0.0/20"), route("10.200.0.0/20", false)}, []string{"meshwright:subnet"}},
		"a route of a VPN inside it":               {[]taken{route("10.200.3.0/24", true)}, []string{"meshwright:subnet"}},
		"a route to one host in it":                {[]taken{route("10.200.0.9/32", true)}, []string{"meshwright:subnet"}},
		"a VPN around everything":                  {[]taken{route("10.0.0.0/8", true)}, []string{"meshwright:subnet"}},
		"a VPN where pods are":                     {[]taken{route("10.10.0.0/16", true)}, nil},
		"the machine's own network where pods are": {[]taken{route("10.10.4.0/24", false)}, []string{"meshwright:clusters[0].podSubnet"}},
		"a Docker network where pods are":          {[]taken{network("10.11.0.0/16")}, []string{"meshwright:clusters[1].podSubnet"}},
		"a Docker network where services are":      {[]taken{network("10.110.0.0/20")}, []string{"meshwright:clusters[0].serviceSubnet"}},
		"the machine's own network around all": {
			[]taken{route("10.0.0.0/8", false)},
			[]string{
				"meshwright:subnet", "meshwright:clusters[0].podSubnet", "meshwright:clusters[0].serviceSubnet",
				"meshwright:clusters[1].podSubnet", "meshwright:clusters[1].serviceSubnet",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var keys []string
			for _, p := range collisions(planned, claims(planned, nil), c.used) {
				keys = append(keys, p.Key)
				if p.Reason != plan.Taken || !strings.Contains(p.Detail, c.used[0].by) || p.Remedy == "" {
					t.Errorf("%+v: want the user of the addresses and a remedy", p)
				}
			}
			if diff := cmp.Diff(c.want, keys, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
		})
	}
}

// TestFreeSubnetIsFree: what the remedy proposes is accepted.
func TestFreeSubnetIsFree(t *testing.T) {
	config := &plan.Config{Clusters: []plan.ClusterConfig{{Cluster: topology.Cluster{Name: "cluster1", Network: "n"}}}}
	for name, c := range map[string]struct{ used, want string }{
		"nothing used":             {"", "10.192.0.0/20"},
		"the beginning":            {"10.192.0.0/16", "10.193.0.0/20"},
		"all of 10":                {"10.0.0.0/8", "172.16.0.0/20"},
		"all of 10 and 172":        {"10.0.0.0/8 172.16.0.0/12", "192.168.0.0/20"},
		"all private, bit by bit ": {"10.0.0.0/8 172.16.0.0/12 192.168.0.0/17 192.168.128.0/17", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var used []taken
			for _, cidr := range strings.Fields(c.used) {
				used = append(used, taken{prefix: netip.MustParsePrefix(cidr), beyond: true})
			}
			planned, err := plan.NewPlan("dev", config, nil)
			if err != nil {
				t.Fatal(err)
			}
			remedy := freeSubnet(planned, used)
			if !strings.Contains(remedy, c.want) || (c.want == "" && !strings.Contains(remedy, "docker network ls")) {
				t.Fatalf("%q, want %q in it", remedy, c.want)
			}
			if c.want == "" {
				return
			}
			again := *config
			again.Subnet = c.want
			if planned, err = plan.NewPlan("dev", &again, nil); err != nil {
				t.Fatal(err)
			}
			if problems := collisions(planned, claims(planned, nil), used); len(problems) > 0 {
				t.Errorf("the proposal is refused: %v", problems)
			}
		})
	}
}

// TestUpRefusesTakenAddresses: nothing is created, and nothing is left.
func TestUpRefusesTakenAddresses(t *testing.T) {
	t.Parallel()
	w := newWorld()
	lab := testLab(t, "dev", t.TempDir(), w, "ok")
	lab.addresses = func(_ context.Context, own string) ([]taken, error) {
		if own != "meshwright-dev" {
			t.Errorf("the lab's own network is called %q", own)
		}
		return []taken{{prefix: netip.MustParsePrefix("10.192.0.0/11"), by: "Docker network kind"}}, nil
	}
	_, err := lab.Up(t.Context())
	var invalid *plan.InvalidError
	if !errors.As(err, &invalid) || !strings.Contains(err.Error(), "meshwright:subnet") || !strings.Contains(err.Error(), "Docker network kind") {
		t.Fatalf("got %v", err)
	}
	if _, previewed := lab.Preview(t.Context()); previewed == nil || previewed.Error() != err.Error() {
		t.Errorf("preview: %v, up: %v", previewed, err)
	}
	if checked := lab.CheckAddresses(t.Context()); checked == nil || checked.Error() != err.Error() {
		t.Errorf("check: %v, up: %v", checked, err)
	}
	if names := w.names(); len(names) > 0 {
		t.Errorf("made: %v", slices.Sorted(slices.Values(names)))
	}
	if isDir(lab.Dir()) {
		t.Errorf("%s was left", lab.Dir())
	}
	lab.addresses = func(context.Context, string) ([]taken, error) { return nil, nil }
	if _, err := lab.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	// A lab that is there is refused what it does not hold, as this one holds nothing.
	lab.addresses = func(context.Context, string) ([]taken, error) {
		return []taken{{prefix: netip.MustParsePrefix("10.10.0.0/16"), by: "Docker network kind"}}, nil
	}
	for name, operation := range map[string]func() error{
		"up":      func() error { _, err := lab.Up(t.Context()); return err },
		"preview": func() error { _, err := lab.Preview(t.Context()); return err },
		"prepare": func() error { return lab.Prepare(t.Context()) },
		"check":   func() error { return lab.CheckAddresses(t.Context()) },
	} {
		if err := operation(); !errors.As(err, &invalid) || !strings.Contains(err.Error(), "meshwright:clusters[0].podSubnet") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := lab.Destroy(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestWhatTheLabHolds is not compared, neither with its own network nor with what
// came after it.
func TestWhatTheLabHolds(t *testing.T) {
	config := &plan.Config{Subnet: "10.200.0.0/20", Clusters: []plan.ClusterConfig{{Cluster: topology.Cluster{Name: "cluster1", Network: "n"}}, {Cluster: topology.Cluster{Name: "cluster2", Network: "n"}}}}
	planned, err := plan.NewPlan("dev", config, nil)
	if err != nil {
		t.Fatal(err)
	}
	var held backend.Snapshot
	state := fmt.Sprintf(`{"resources": [
		{"type": "pulumi:pulumi:Stack"},
		{"type": "meshwright:kind:Network", "custom": true, "outputs": {"subnet": "10.200.0.0/20", "gateway": "10.200.0.1"}},
		{"type": "meshwright:kind:Cluster", "custom": true, "outputs": {"podSubnet": %q, "serviceSubnet": %q, "kubeconfig": {"4dabf18193072939515e22adb298388d": "x"}}},
		{"type": "fake:index:Thing", "custom": true, "outputs": {"podSubnet": %q}}
	]}`, planned.Clusters[0].PodSubnet, planned.Clusters[0].ServiceSubnet, planned.Clusters[1].PodSubnet)
	if err := json.Unmarshal([]byte(state), &held); err != nil {
		t.Fatal(err)
	}
	everything := []taken{{prefix: netip.MustParsePrefix("0.0.0.0/0"), by: "the route by eth0"}}
	keys := func(asked []claim) (keys []string) {
		for _, p := range collisions(planned, asked, everything) {
			keys = append(keys, p.Key)
		}
		return keys
	}
	added := []string{"meshwright:clusters[1].podSubnet", "meshwright:clusters[1].serviceSubnet"}
	if diff := cmp.Diff(added, keys(claims(planned, held.Ranges()))); diff != "" {
		t.Errorf("a cluster that is added (-want +got):\n%s", diff)
	}
	moved := *config
	moved.Subnet = "10.201.0.0/20"
	if planned, err = plan.NewPlan("dev", &moved, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(append([]string{"meshwright:subnet"}, added...), keys(claims(planned, held.Ranges()))); diff != "" {
		t.Errorf("another subnet (-want +got):\n%s", diff)
	}

	// Nothing new: the machine is not asked.
	config.Clusters = config.Clusters[:1]
	if planned, err = plan.NewPlan("dev", config, nil); err != nil {
		t.Fatal(err)
	}
	lab := &Lab{addresses: func(context.Context, string) ([]taken, error) { return nil, errors.New("asked") }}
	if err := lab.refuseCollisions(t.Context(), planned, held); err != nil {
		t.Error(err)
	}
	if err := lab.refuseCollisions(t.Context(), planned, backend.Snapshot{}); err == nil {
		t.Error("the machine is not asked for a new lab")
	}
}

func TestOwnNetworkIsNotInUse(t *testing.T) {
	network := func(name string, subnets ...string) docker.Network {
		n := docker.Network{Name: name}
		for _, s := range subnets {
			n.IPAM.Config = append(n.IPAM.Config, struct{ Subnet, IPRange, Gateway string }{Subnet: s})
		}
		return n
	}
	route := func(cidr string) taken { return taken{prefix: netip.MustParsePrefix(cidr), by: "the route by x"} }
	got := withoutOwn("meshwright-dev",
		[]docker.Network{network("host"), network("kind", "172.18.0.0/16", "fc00::/64"), network("meshwright-dev", "10.192.0.0/20"), network("meshwright-two", "10.193.0.0/20")},
		[]taken{route("10.192.0.0/20"), route("192.0.2.0/24"), route("10.192.0.7/32")})
	want := []string{"172.18.0.0/16 Docker network kind", "10.193.0.0/20 Docker network meshwright-two", "192.0.2.0/24 the route by x", "10.192.0.7/32 the route by x"}
	var texts []string
	for _, u := range got {
		texts = append(texts, u.prefix.String()+" "+u.by)
	}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
