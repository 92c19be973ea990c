package automation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/meshwright/meshwright/automation/internal/backend"
	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/mesh/topology"
	"github.com/meshwright/meshwright/stacks/plan"
)

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
	network := func(cidr string) taken { return taken{netip.MustParsePrefix(cidr), "Docker network kind", false, nil} }
	route := func(cidr string, beyond bool) taken {
		return taken{netip.MustParsePrefix(cidr), "the route by eth0", beyond, nil}
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

// TestTheRemedyWorks: all remedies together leave nothing to refuse.
func TestTheRemedyWorks(t *testing.T) {
	all := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}
	policy := func(free string) *swallow {
		return &swallow{first: 5270, takes: func(p netip.Prefix) bool { return free == "" || !netip.MustParsePrefix(free).Overlaps(p) }}
	}
	for name, c := range map[string]struct {
		used []taken
		want []string // the ranges proposed
		text string
	}{
		"the lab's own subnet": {used: uses("10.219.192.0/20"), want: []string{"10.192.0.0/20"}},
		"the beginning":        {used: uses("10.219.192.0/20 10.192.0.0/16"), want: []string{"10.193.0.0/20"}},
		"one flat network's ranges, each with another remedy": {
			used: uses("10.10.0.0/15 10.110.0.0/15"), want: []string{"10.80.0.0/16", "10.81.0.0/16", "10.82.0.0/16", "10.83.0.0/16"},
		},
		"all of 10": {
			used: uses("10.0.0.0/8"), want: []string{"172.16.0.0/20", "172.17.0.0/16", "172.18.0.0/16", "172.19.0.0/16", "172.20.0.0/16"},
		},
		"all private, bit by bit": {used: uses("10.0.0.0/8 172.16.0.0/12 192.168.0.0/17 192.168.128.0/17"), text: "docker network ls"},
		"a table that is asked first, for some": {
			used: []taken{{prefix: all[0], by: "the route by tun0 in routing table 52", beyond: true, rule: policy("172.16.0.0/12")}}, want: []string{"172.16.0.0/20"},
		},
		"a table that is asked first, for all": {
			used: []taken{{prefix: all[0], by: "the route by tun0 in routing table 52", beyond: true, rule: policy("")}},
			text: "sudo ip rule add priority 5269 to 10.219.192.0/20 lookup main",
		},
	} {
		t.Run(name, func(t *testing.T) {
			config := &plan.Config{Clusters: []plan.ClusterConfig{
				{Cluster: topology.Cluster{Name: "cluster1", Network: "n"}}, {Cluster: topology.Cluster{Name: "cluster2", Network: "n"}},
			}}
			planned, err := plan.NewPlan("dev", config, nil)
			if err != nil {
				t.Fatal(err)
			}
			problems := collisions(planned, claims(planned, nil), c.used)
			if len(problems) == 0 {
				t.Fatal("nothing collides")
			}
			var proposed []string
			for _, p := range problems {
				if c.text != "" {
					if !strings.Contains(p.Remedy, c.text) {
						t.Errorf("%s: %q, want %q in it", p.Key, p.Remedy, c.text)
					}
					continue
				}
				free := strings.TrimPrefix(p.Remedy, "set another, such as ")
				proposed = append(proposed, free)
				*map[string]*string{
					"meshwright:subnet":                &config.Subnet,
					"meshwright:clusters[0].podSubnet": &config.Clusters[0].PodSubnet, "meshwright:clusters[0].serviceSubnet": &config.Clusters[0].ServiceSubnet,
					"meshwright:clusters[1].podSubnet": &config.Clusters[1].PodSubnet, "meshwright:clusters[1].serviceSubnet": &config.Clusters[1].ServiceSubnet,
				}[p.Key] = free
			}
			if c.text != "" {
				return
			}
			if diff := cmp.Diff(c.want, proposed); diff != "" {
				t.Errorf("proposed (-want +got):\n%s", diff)
			}
			if planned, err = plan.NewPlan("dev", config, nil); err != nil {
				t.Fatal(err)
			}
			if problems := collisions(planned, claims(planned, nil), c.used); len(problems) > 0 {
				t.Errorf("with the remedies: %v", problems)
			}
		})
	}
}

// uses are networks of this machine.
func uses(cidrs string) (all []taken) {
	for _, cidr := range strings.Fields(cidrs) {
		all = append(all, taken{prefix: netip.MustParsePrefix(cidr), by: "the route by eth0"})
	}
	return all
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
