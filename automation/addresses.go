package automation

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/meshwright/meshwright/automation/internal/backend"
	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/stacks/plan"
)

// taken is a range of addresses that this machine uses already.
type taken struct {
	prefix netip.Prefix
	by     string // for people: "Docker network kind", "the route by eth0"
	// beyond says that a gateway leads there: the machine itself is not in it.
	beyond bool
}

// refuseCollisions compares the addresses that the plan asks for, and the lab does
// not hold yet, with those that the machine uses. Without a Docker that answers there
// is nothing to compare: making the lab will say so.
func (l *Lab) refuseCollisions(ctx context.Context, p *plan.Plan, held backend.Snapshot) error {
	asked := claims(p, held.Ranges())
	if len(asked) == 0 {
		return nil
	}
	used, err := l.addresses(ctx, "meshwright-"+p.Lab)
	if err != nil {
		return fmt.Errorf("addresses in use: %w", err)
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
		return nil, context.Cause(ctx) // see refuseCollisions
	}
	networks, err := client.Networks(ctx, nil)
	if err != nil {
		return nil, err
	}
	if host := client.Host() + os.Getenv("DOCKER_HOST"); host != "" && !strings.HasPrefix(host, "unix://") {
		return withoutOwn(own, networks, nil), nil // the daemon's routes are another machine's
	}
	table, err := os.ReadFile("/proc/net/route")
	if errors.Is(err, fs.ErrNotExist) { // not Linux: containers live in a machine of their own
		return withoutOwn(own, networks, nil), nil
	}
	if err != nil {
		return nil, err
	}
	routes, err := parseRoutes(string(table))
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

// parseRoutes reads /proc/net/route: after a line of titles one route a line, with
// destination, gateway and mask as hex words in the machine's byte order. Default
// routes, also those cut in halves as VPNs do, are left out: they claim nothing.
func parseRoutes(table string) ([]taken, error) {
	var out []taken
	lines := bufio.NewScanner(strings.NewReader(table))
	lines.Scan()
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 8 {
			return nil, fmt.Errorf("route %q: %d fields", lines.Text(), len(f))
		}
		var words [3]netip.Addr
		for i, text := range []string{f[1], f[2], f[7]} {
			n, err := strconv.ParseUint(text, 16, 32)
			if err != nil {
				return nil, fmt.Errorf("route %q: %w", lines.Text(), err)
			}
			var b [4]byte
			binary.NativeEndian.PutUint32(b[:], uint32(n))
			words[i] = netip.AddrFrom4(b)
		}
		mask := words[2].As4()
		bits := 0
		for m := binary.BigEndian.Uint32(mask[:]); m != 0; m <<= 1 {
			bits++
		}
		if bits > 1 {
			out = append(out, taken{
				prefix: netip.PrefixFrom(words[0], bits).Masked(), by: "the route by " + f[0], beyond: !words[1].IsUnspecified(),
			})
		}
	}
	return out, lines.Err()
}

// claim is a range of addresses that a plan asks for.
type claim struct {
	key    string // of the setting
	prefix netip.Prefix
	mend   string // "" for what freeSubnet finds
	// near says that only what the machine itself is in matters. The lab's network is
	// the machine's neighbour and must be free of everything. Pods and services are
	// known inside the nodes alone: what a gateway leads to they merely cannot reach,
	// as with any cluster, but what the machine is in they would take from it.
	near bool
}

// claims are the plan's, without what the lab holds already.
func claims(p *plan.Plan, held []netip.Prefix) []claim {
	all := []claim{{key: "subnet", prefix: p.Subnet}}
	for i, m := range p.Clusters {
		all = append(all,
			claim{key: fmt.Sprintf("clusters[%d].podSubnet", i), prefix: m.PodSubnet, mend: "set another, such as 10.60.0.0/16", near: true},
			claim{key: fmt.Sprintf("clusters[%d].serviceSubnet", i), prefix: m.ServiceSubnet, mend: "set another, such as 10.160.0.0/16", near: true})
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
		if c.mend == "" {
			c.mend = freeSubnet(p, used)
		}
		problems = append(problems, plan.Problem{
			Key: plan.Namespace + ":" + c.key, Reason: plan.Taken, Mend: c.mend,
			Detail: fmt.Sprintf("%s overlaps %s, which %s uses on this machine", c.prefix, used[i].prefix, used[i].by),
		})
	}
	return problems
}

// freeSubnet is a mend: a subnet that collides with nothing.
func freeSubnet(p *plan.Plan, used []taken) string {
	free := func(candidate netip.Prefix) bool {
		for _, u := range used {
			if candidate.Overlaps(u.prefix) {
				return false
			}
		}
		for _, m := range p.Clusters {
			if candidate.Overlaps(m.PodSubnet) || candidate.Overlaps(m.ServiceSubnet) {
				return false
			}
		}
		return true
	}
	for _, around := range []netip.Prefix{
		netip.MustParsePrefix("10.192.0.0/11"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	} {
		// A /20 has load-balancer addresses for every number of clusters.
		for a := around.Addr(); around.Contains(a); {
			if c := netip.PrefixFrom(a, 20); free(c) {
				return fmt.Sprintf("set another, such as %s", c)
			}
			b := a.As4()
			binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+1<<12)
			a = netip.AddrFrom4(b)
		}
	}
	return "remove a network that is no longer needed: docker network ls"
}
