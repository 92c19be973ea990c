package automation

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/meshwright/meshwright/automation/internal/backend"
	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/stacks/plan"
)

// taken is a range of addresses that this machine uses already.
type taken struct {
	prefix netip.Prefix
	by     string // "Docker network kind", "the route by eth0"
	beyond bool   // a gateway leads there: the machine itself is not in it
	rule   *swallow
}

// swallow is a routing table that the machine looks at before the main one, where the
// route to the lab's network will be. Its routes take precedence however wide they are.
type swallow struct {
	// first is the priority of the rule that leads to the table.
	first int
	// takes reports whether the machine would send packets for the range by that table.
	takes func(netip.Prefix) bool
}

// keeps reports whether a lab cannot have the range.
func (t taken) keeps(p netip.Prefix) bool {
	return p.Overlaps(t.prefix) && (t.rule == nil || t.rule.takes(p))
}

// refuseCollisions compares the addresses that the plan asks for, and the lab does
// not hold yet, with those that the machine uses. It fails where no Docker answers.
func (l *Lab) refuseCollisions(ctx context.Context, p *plan.Plan, held backend.Snapshot) error {
	asked := claims(p, held.Ranges())
	if len(asked) == 0 {
		return nil
	}
	used, err := l.addresses(ctx, "meshwright-"+p.Lab)
	if err != nil {
		return err
	}
	if problems := collisions(p, asked, used); len(problems) > 0 {
		return &ConfigError{Stack: l.o.Stack, Err: &plan.InvalidError{Problems: problems}}
	}
	return nil
}

// usedAddresses are the subnets of Docker's networks and the routes of this machine,
// without the lab's own network.
func usedAddresses(ctx context.Context, own string) ([]taken, error) {
	client, err := docker.Find(ctx)
	if err != nil {
		return nil, err
	}
	networks, err := client.Networks(ctx, nil)
	if err != nil {
		return nil, err
	}
	if host := client.Host() + os.Getenv("DOCKER_HOST"); host != "" && !strings.HasPrefix(host, "unix://") {
		return withoutOwn(own, networks, nil), nil // the daemon's routes are another machine's
	}
	routes, err := machineRoutes()
	return withoutOwn(own, networks, routes), err
}

// withoutOwn are the subnets of the networks, and the routes, but for those of the
// network of that name.
func withoutOwn(own string, networks []docker.Network, routes []taken) []taken {
	var used []taken
	for _, n := range networks {
		for _, c := range n.IPAM.Config {
			p, err := netip.ParsePrefix(c.Subnet)
			switch {
			case err != nil || !p.Addr().Is4():
			case n.Name == own:
				routes = slices.DeleteFunc(routes, func(r taken) bool { return r.prefix == p.Masked() })
			default:
				used = append(used, taken{prefix: p.Masked(), by: "Docker network " + n.Name})
			}
		}
	}
	return append(used, routes...)
}

// claim is a range of addresses that a plan asks for.
type claim struct {
	key    string // of the setting
	prefix netip.Prefix
	ranges ranges // for another one
	// near is true where only networks that the machine itself is in matter. The lab's
	// network is one of these, so its range must be unused. Ranges of pods and services
	// exist inside the nodes alone: as in any cluster they hide what a gateway leads
	// to, but they must not hide the machine from its own networks.
	near bool
}

// claims are the plan's, without what the lab holds already.
func claims(p *plan.Plan, held []netip.Prefix) []claim {
	all := []claim{{key: "subnet", prefix: p.Subnet, ranges: forLabs}}
	for i, m := range p.Clusters {
		all = append(all,
			claim{key: fmt.Sprintf("clusters[%d].podSubnet", i), prefix: m.PodSubnet, ranges: forClusters, near: true},
			claim{key: fmt.Sprintf("clusters[%d].serviceSubnet", i), prefix: m.ServiceSubnet, ranges: forClusters, near: true})
	}
	return slices.DeleteFunc(all, func(c claim) bool { return slices.Contains(held, c.prefix) })
}

// collisions says which of the addresses asked for are in use. Each remedy is for all of
// the problems together.
func collisions(p *plan.Plan, asked []claim, used []taken) []plan.Problem {
	var problems []plan.Problem
	avoid := []netip.Prefix{p.Subnet}
	for _, m := range p.Clusters {
		avoid = append(avoid, m.PodSubnet, m.ServiceSubnet)
	}
	for _, c := range asked {
		i := slices.IndexFunc(used, func(u taken) bool { return u.keeps(c.prefix) && !(c.near && u.beyond) })
		if i < 0 {
			continue
		}
		remedy := "remove a network that is no longer needed: docker network ls"
		if free, ok := freeRange(c.ranges, avoid, used); ok {
			avoid = append(avoid, free)
			remedy = fmt.Sprintf("set another, such as %s", free)
		} else if rule := used[i].rule; rule != nil {
			remedy = fmt.Sprintf("have the main routing table asked first: sudo ip rule add priority %d to %s lookup main", rule.first-1, c.prefix)
		}
		problems = append(problems, plan.Problem{
			Key: plan.Namespace + ":" + c.key, Reason: plan.Taken, Remedy: remedy,
			Detail: fmt.Sprintf("%s overlaps %s, which %s uses on this machine", c.prefix, used[i].prefix, used[i].by),
		})
	}
	return problems
}

// ranges are where a free range is looked for, and its prefix length.
type ranges struct {
	in   []string
	bits int
}

var (
	// A /20 has load-balancer addresses for every number of clusters.
	forLabs = ranges{[]string{"10.192.0.0/11", "172.16.0.0/12", "192.168.0.0/16"}, 20}
	// The plan gives the rest of 10.0.0.0/9 to clusters, and 10.192.0.0/11 to labs.
	forClusters = ranges{[]string{"10.80.0.0/12", "10.96.0.0/13", "10.176.0.0/12", "172.16.0.0/12", "192.168.0.0/16"}, 16}
)

// freeRange is the first range without collisions.
func freeRange(r ranges, avoid []netip.Prefix, used []taken) (netip.Prefix, bool) {
	for _, in := range r.in {
		around := netip.MustParsePrefix(in)
		for a := around.Addr(); around.Contains(a); {
			c := netip.PrefixFrom(a, r.bits)
			if !slices.ContainsFunc(avoid, c.Overlaps) && !slices.ContainsFunc(used, func(u taken) bool { return u.keeps(c) }) {
				return c, true
			}
			b := a.As4()
			binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+1<<(32-r.bits))
			a = netip.AddrFrom4(b)
		}
	}
	return netip.Prefix{}, false
}
