package automation

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/meshwright/meshwright/automation/internal/backend"
	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/stacks/plan"
)

// taken is a range of addresses that this machine uses already.
type taken struct {
	prefix netip.Prefix
	by     string // "Docker network kind", "the route by eth0"
	beyond bool   // a gateway leads there: the machine itself is not in it
}

// refuseCollisions compares the addresses that the plan asks for, and the lab does
// not hold yet, with those that the machine uses. It fails where no
// Docker answers.
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

// machineRoutes are the routes of this machine's main table; none where the system is
// not Linux: there containers run in a machine of their own.
func machineRoutes() ([]taken, error) {
	var routes []netlink.Route
	var err error
	for range 5 { // the kernel breaks off its answer when routes change meanwhile
		if routes, err = netlink.RouteList(nil, unix.AF_INET); err == nil {
			break
		}
	}
	if err != nil && !errors.Is(err, netlink.ErrNotImplemented) {
		return nil, fmt.Errorf("routes of this machine: %w", err)
	}
	return takenByRoutes(routes, func(index int) string {
		if device, err := net.InterfaceByIndex(index); err == nil {
			return device.Name
		}
		return "*" // several, or none
	}), nil
}

// takenByRoutes leaves out default routes, also when a VPN writes one as two halves.
func takenByRoutes(routes []netlink.Route, device func(index int) string) []taken {
	var out []taken
	for _, r := range routes {
		if r.Dst == nil {
			continue
		}
		address, ok := netip.AddrFromSlice(r.Dst.IP.To4())
		if bits, _ := r.Dst.Mask.Size(); ok && bits > 1 {
			out = append(out, taken{
				prefix: netip.PrefixFrom(address, bits).Masked(), by: "the route by " + device(r.LinkIndex),
				beyond: r.Gw != nil || r.Via != nil || len(r.MultiPath) > 0,
			})
		}
	}
	return out
}

// claim is a range of addresses that a plan asks for.
type claim struct {
	key    string // of the setting
	prefix netip.Prefix
	remedy string // "" for what freeSubnet finds
	// near is true where only networks that the machine itself is in matter. The lab's
	// network is one of these, so its range must be unused. Ranges of pods and services
	// exist inside the nodes alone: as in any cluster they hide what a gateway leads
	// to, but they must not hide the machine from its own networks.
	near bool
}

// claims are the plan's, without what the lab holds already.
func claims(p *plan.Plan, held []netip.Prefix) []claim {
	all := []claim{{key: "subnet", prefix: p.Subnet}}
	for i, m := range p.Clusters {
		all = append(all,
			claim{key: fmt.Sprintf("clusters[%d].podSubnet", i), prefix: m.PodSubnet, remedy: "set another, such as 10.60.0.0/16", near: true},
			claim{key: fmt.Sprintf("clusters[%d].serviceSubnet", i), prefix: m.ServiceSubnet, remedy: "set another, such as 10.160.0.0/16", near: true})
	}
	return slices.DeleteFunc(all, func(c claim) bool { return slices.Contains(held, c.prefix) })
}

// collisions says which of the addresses asked for are in use.
func collisions(p *plan.Plan, asked []claim, used []taken) []plan.Problem {
	var problems []plan.Problem
	for _, c := range asked {
		i := slices.IndexFunc(used, func(u taken) bool { return c.prefix.Overlaps(u.prefix) && !(c.near && u.beyond) })
		if i < 0 {
			continue
		}
		if c.remedy == "" {
			c.remedy = freeSubnet(p, used)
		}
		problems = append(problems, plan.Problem{
			Key: plan.Namespace + ":" + c.key, Reason: plan.Taken, Remedy: c.remedy,
			Detail: fmt.Sprintf("%s overlaps %s, which %s uses on this machine", c.prefix, used[i].prefix, used[i].by),
		})
	}
	return problems
}

// freeSubnet is the remedy that names a subnet without collisions.
func freeSubnet(p *plan.Plan, used []taken) string {
	var all []netip.Prefix
	for _, u := range used {
		all = append(all, u.prefix)
	}
	for _, m := range p.Clusters {
		all = append(all, m.PodSubnet, m.ServiceSubnet)
	}
	for _, around := range []netip.Prefix{
		netip.MustParsePrefix("10.192.0.0/11"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	} {
		// A /20 has load-balancer addresses for every number of clusters.
		for a := around.Addr(); around.Contains(a); {
			if c := netip.PrefixFrom(a, 20); !slices.ContainsFunc(all, c.Overlaps) {
				return fmt.Sprintf("set another, such as %s", c)
			}
			b := a.As4()
			binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+1<<12)
			a = netip.AddrFrom4(b)
		}
	}
	return "remove a network that is no longer needed: docker network ls"
}
