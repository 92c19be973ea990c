package automation

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// machineRoutes are the routes of this machine.
func machineRoutes() ([]taken, error) {
	routes, err := list(func() ([]netlink.Route, error) {
		return netlink.RouteListFiltered(unix.AF_INET, &netlink.Route{}, netlink.RT_FILTER_TABLE) // of every table
	})
	if err != nil {
		return nil, fmt.Errorf("routes of this machine: %w", err)
	}
	rules, err := list(func() ([]netlink.Rule, error) { return netlink.RuleList(unix.AF_INET) })
	if err != nil {
		return nil, fmt.Errorf("routing rules of this machine: %w", err)
	}
	return takenByRoutes(routes, rules, func(index int) string {
		if device, err := net.InterfaceByIndex(index); err == nil {
			return device.Name
		}
		return "*" // several, or none
	}), nil
}

// list asks the kernel again when its tables change while it answers.
func list[T any](ask func() ([]T, error)) (all []T, err error) {
	for range 5 {
		if all, err = ask(); err == nil {
			break
		}
	}
	return all, err
}

// takenByRoutes are the routes of the main table, without default routes, also when a VPN
// writes one as two halves; and all routes of tables to which other rules lead.
func takenByRoutes(routes []netlink.Route, rules []netlink.Rule, device func(index int) string) []taken {
	slices.SortStableFunc(rules, func(a, b netlink.Rule) int { return cmp.Compare(a.Priority, b.Priority) })
	var out []taken
	for _, r := range routes {
		prefix := netip.MustParsePrefix("0.0.0.0/0")
		if r.Dst != nil {
			address, ok := netip.AddrFromSlice(r.Dst.IP.To4())
			bits, _ := r.Dst.Mask.Size()
			if !ok {
				continue
			}
			prefix = netip.PrefixFrom(address, bits).Masked()
		}
		t := taken{
			prefix: prefix, by: "the route by " + device(r.LinkIndex),
			beyond: r.Gw != nil || r.Via != nil || len(r.MultiPath) > 0,
		}
		switch r.Table {
		case unix.RT_TABLE_MAIN:
			if prefix.Bits() < 2 {
				continue
			}
		case unix.RT_TABLE_LOCAL, unix.RT_TABLE_DEFAULT:
			continue // addresses of the machine itself; what the main table has none for
		default:
			t.by = fmt.Sprintf("%s in routing table %d", t.by, r.Table)
			t.beyond = true
			t.rule = swallowing(r.Table, prefix, rules)
			if t.rule == nil {
				continue
			}
		}
		out = append(out, t)
	}
	return out
}

// swallowing is how the rules, in their order, lead to a route of a table; nil if they do
// not. The kernel is asked whether they lead there for packets of this process: rules
// look at marks, users and much else.
func swallowing(table int, route netip.Prefix, rules []netlink.Rule) *swallow {
	i := slices.IndexFunc(rules, func(r netlink.Rule) bool {
		return r.Table == table && (r.Mark == 0 || r.Invert) && (r.IifName == "" || r.IifName == "lo")
	})
	if i < 0 {
		return nil
	}
	return &swallow{first: rules[i].Priority, takes: func(p netip.Prefix) bool {
		if slices.ContainsFunc(rules[:i], func(r netlink.Rule) bool { return mainFirst(r, p) }) {
			return false
		}
		return asked(table, inside(route, p))
	}}
}

// mainFirst reports whether a rule finds the route to a range in the main table, as
// soon as it is there.
func mainFirst(r netlink.Rule, p netip.Prefix) bool {
	return r.Table == unix.RT_TABLE_MAIN && r.SuppressPrefixlen < p.Bits() && toAll(r, p) &&
		!r.Invert && r.Mark == 0 && r.Src == nil && r.IifName == "" && r.OifName == "" && r.UIDRange == nil && r.IPProto == 0 && r.Sport == nil && r.Dport == nil
}

// toAll reports whether a rule is for every address of a range.
func toAll(r netlink.Rule, p netip.Prefix) bool {
	if r.Dst == nil {
		return true
	}
	to, ok := netip.AddrFromSlice(r.Dst.IP.To4())
	bits, _ := r.Dst.Mask.Size()
	return ok && bits <= p.Bits() && netip.PrefixFrom(to, bits).Contains(p.Addr())
}

// inside is an address of both prefixes, which overlap.
func inside(a, b netip.Prefix) netip.Addr {
	if a.Bits() < b.Bits() {
		a = b
	}
	if a.Bits() == 32 {
		return a.Addr()
	}
	return a.Masked().Addr().Next()
}

// asked asks the kernel whether it sends packets for an address by a table. A route there
// that refuses packets is an error, and so is an answer that does not come: both mean yes.
func asked(table int, a netip.Addr) bool {
	found, err := netlink.RouteGet(net.IP(a.AsSlice()))
	if err != nil {
		return !errors.Is(err, unix.ENETUNREACH)
	}
	return slices.ContainsFunc(found, func(r netlink.Route) bool { return r.Table == table })
}
