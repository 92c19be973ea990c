package automation

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/meshwright/meshwright/mesh/topology"
	"github.com/meshwright/meshwright/stacks/plan"
)

func TestTakenByRoutes(t *testing.T) {
	// A machine with a default route, its own network, a VPN in two halves, a network
	// by a gateway, one by two gateways, a single host, its own addresses, a table to which
	// a rule leads and one to which none does.
	route := func(index int, to, gateway string, table int) netlink.Route {
		_, dst, err := net.ParseCIDR(to)
		if err != nil {
			t.Fatal(err)
		}
		return netlink.Route{LinkIndex: index, Dst: dst, Gw: net.ParseIP(gateway), Table: table}
	}
	const main, local = unix.RT_TABLE_MAIN, unix.RT_TABLE_LOCAL
	several := route(0, "10.30.0.0/16", "", main)
	several.MultiPath = make([]*netlink.NexthopInfo, 2)
	prefix := netip.MustParsePrefix
	want := []taken{
		{prefix("192.0.2.0/24"), "the route by eth0", false, nil},
		{prefix("10.20.0.0/16"), "the route by tun0", true, nil},
		{prefix("10.30.0.0/16"), "the route by *", true, nil},
		{prefix("169.254.169.254/32"), "the route by eth0", false, nil},
		{prefix("10.0.0.0/8"), "the route by tun0 in routing table 52", true, &swallow{first: 5270}},
	}
	rule := netlink.NewRule()
	rule.Priority, rule.Table = 5270, 52
	got := takenByRoutes([]netlink.Route{
		{LinkIndex: 1, Gw: net.ParseIP("192.0.2.1"), Table: main},
		route(1, "0.0.0.0/0", "192.0.2.1", main), route(1, "192.0.2.0/24", "", main), route(1, "192.0.2.2/32", "", local),
		route(2, "0.0.0.0/1", "10.8.0.1", main), route(2, "128.0.0.0/1", "10.8.0.1", main), route(2, "10.20.0.0/16", "10.8.0.1", main),
		several, route(1, "169.254.169.254/32", "", main), route(2, "10.0.0.0/8", "", 52), route(2, "10.0.0.0/8", "", 53),
	}, []netlink.Rule{*rule}, func(index int) string { return []string{"*", "eth0", "tun0"}[index] })
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(taken{}, swallow{}), cmpopts.IgnoreFields(swallow{}, "takes"),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
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

// TestPolicyRouting lays routes as VPNs do in a network namespace of its own, and asks
// the kernel what becomes of a lab's subnet.
func TestPolicyRouting(t *testing.T) {
	planned, err := plan.NewPlan("dev", &plan.Config{Subnet: "10.200.0.0/20", Clusters: []plan.ClusterConfig{
		{Cluster: topology.Cluster{Name: "cluster1", Network: "n"}},
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	rule := func(priority, table int, change func(*netlink.Rule)) *netlink.Rule {
		r := netlink.NewRule()
		r.Priority, r.Table, r.Family = priority, table, unix.AF_INET
		if change != nil {
			change(r)
		}
		return r
	}
	const mark = 0xca6c
	unmarked := func(r *netlink.Rule) { r.Mark, r.Invert = mark, true }
	suppressed := func(r *netlink.Rule) { r.SuppressPrefixlen = 0 }
	for name, c := range map[string]struct {
		route     string
		rules     []*netlink.Rule
		swallowed bool
	}{
		"a subnet route of an overlay network":   {"10.0.0.0/8", []*netlink.Rule{rule(5270, 52, nil)}, true},
		"one to a part of the lab's":             {"10.200.3.0/24", []*netlink.Rule{rule(5270, 52, nil)}, true},
		"one to another network":                 {"10.100.0.0/16", []*netlink.Rule{rule(5270, 52, nil)}, false},
		"a table to which no rule leads":         {"10.0.0.0/8", nil, false},
		"a rule for marked packets":              {"10.0.0.0/8", []*netlink.Rule{rule(5270, 52, func(r *netlink.Rule) { r.Mark = mark })}, false},
		"a rule for another user":                {"10.0.0.0/8", []*netlink.Rule{rule(5270, 52, func(r *netlink.Rule) { r.UIDRange = netlink.NewRuleUIDRange(4321, 4321) })}, false},
		"a full tunnel, main table first":        {"0.0.0.0/0", []*netlink.Rule{rule(100, unix.RT_TABLE_MAIN, suppressed), rule(101, 52, unmarked)}, false},
		"a full tunnel, its table first":         {"0.0.0.0/0", []*netlink.Rule{rule(101, 52, unmarked)}, true},
		"after the remedy":                       {"0.0.0.0/0", []*netlink.Rule{rule(100, unix.RT_TABLE_MAIN, func(r *netlink.Rule) { r.Dst = ipNet("10.200.0.0/20") }), rule(101, 52, nil)}, false},
		"after the remedy for another lab":       {"0.0.0.0/0", []*netlink.Rule{rule(100, unix.RT_TABLE_MAIN, func(r *netlink.Rule) { r.Dst = ipNet("10.201.0.0/20") }), rule(101, 52, nil)}, true},
		"a table that the main one comes before": {"10.0.0.0/8", []*netlink.Rule{rule(32767, 52, nil)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			inNetworkNamespace(t, func() error {
				lo, err := netlink.LinkByName("lo")
				if err == nil {
					err = errors.Join(netlink.LinkSetUp(lo), netlink.RouteAdd(&netlink.Route{LinkIndex: lo.Attrs().Index, Dst: ipNet(c.route), Table: 52}))
				}
				if err != nil {
					return err
				}
				for _, r := range c.rules {
					if err := netlink.RuleAdd(r); err != nil {
						return err
					}
				}
				used, err := machineRoutes()
				if err != nil {
					return err
				}
				problems := collisions(planned, claims(planned, nil), used)
				if (len(problems) == 1) != c.swallowed || len(problems) > 0 && !strings.Contains(problems[0].Detail, "lo in routing table 52") {
					t.Errorf("%v", problems)
				}
				return nil
			})
		})
	}
}

func ipNet(cidr string) *net.IPNet {
	_, n, err := net.ParseCIDR(cidr)
	if err != nil {
		panic(err)
	}
	return n
}

// inNetworkNamespace runs do in a new network namespace.
func inNetworkNamespace(t *testing.T, do func() error) {
	t.Helper()
	done := make(chan error, 1)
	var enter func()
	enter = func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The first thread must stay: /proc/self/net is its namespace.
			defer runtime.UnlockOSThread()
			var other sync.WaitGroup
			other.Go(enter)
			other.Wait()
			return
		}
		// Never unlocked: the thread ends with its namespace.
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- do()
	}
	go enter()
	err := <-done
	if os.Geteuid() != 0 && slices.ContainsFunc([]error{unix.EPERM, unix.EACCES}, func(e error) bool { return errors.Is(err, e) }) {
		t.Skip("a network namespace needs root")
	}
	if err != nil {
		t.Fatal(err)
	}
}
