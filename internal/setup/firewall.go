package setup

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// iptables waits up to ten seconds for others that change the rules.
func (m Machine) iptables(ctx context.Context, args ...string) ([]byte, error) {
	return m.run(ctx, nil, "iptables", append([]string{"-w", "10"}, args...)...)
}

// forwardPolicy returns the policy of the filter table's FORWARD chain.
func (m Machine) forwardPolicy(ctx context.Context) (string, error) {
	rules, err := m.iptables(ctx, "-S", "FORWARD")
	if err != nil {
		return "", err
	}
	_, policy, _ := strings.Cut(string(rules), "-P FORWARD ")
	policy, _, _ = strings.Cut(policy, "\n")
	return strings.TrimSpace(policy), nil
}

// Rules are lines of `iptables -S` by table.
type Rules map[string][]string

var tables = []string{"nat", "filter"}

// rules reads the packet filter. Like dockerd it goes through iptables: an nftables client
// does not see the tables of iptables-legacy, and cannot decode the rules that
// iptables-nft writes.
func (m Machine) rules(ctx context.Context) (Rules, error) {
	all := Rules{}
	for _, table := range tables {
		out, err := m.iptables(ctx, "-t", table, "-S")
		if err != nil {
			return nil, err
		}
		all[table] = strings.Split(strings.TrimSpace(string(out)), "\n")
	}
	return all, nil
}

// without are the rules that others do not have.
func (r Rules) without(others Rules) Rules {
	out := Rules{}
	for table, lines := range r {
		out[table] = slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return slices.Contains(others[table], line) })
	}
	return out
}

// removeRules removes what dockerd made and leaves when it stops, and sets the FORWARD
// policy back if it is still dockerd's. It names the chains that stay, since others have
// put rules into them or jump to them.
func (m Machine) removeRules(ctx context.Context, n Network) (left []string, err error) {
	now, err := m.rules(ctx)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, table := range tables {
		commands, kept := removals(now[table], n.Made[table])
		left = append(left, kept...)
		for _, command := range commands {
			_, err := m.iptables(ctx, append([]string{"-t", table}, command...)...)
			errs = append(errs, err)
		}
	}
	if set := "-P FORWARD DROP"; n.ForwardPolicy != "" && slices.Contains(n.Made["filter"], set) && slices.Contains(now["filter"], set) {
		_, err := m.iptables(ctx, "-P", "FORWARD", n.ForwardPolicy)
		errs = append(errs, err)
	}
	return left, errors.Join(errs...)
}

// removals are the commands that remove from a table what dockerd made: first rules in
// others' chains, then the content of its own chains, then these chains, which must be
// empty and unused.
func removals(now, made []string) (commands [][]string, left []string) {
	var own, stay []string
	for _, line := range now {
		if chain, ok := strings.CutPrefix(line, "-N "); ok && slices.Contains(made, line) {
			own = append(own, chain)
		}
	}
	for _, line := range now {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "-A" || slices.Contains(made, line) {
			continue
		}
		// A rule of others, or of a network that dockerd made since: those are in its own
		// chains, but not in the one that is the user's.
		if fields[1] == userChain && slices.Contains(own, userChain) {
			stay = append(stay, userChain)
		}
		if target := target(fields); slices.Contains(own, target) && !slices.Contains(own, fields[1]) {
			stay = append(stay, target)
		}
	}
	var flush, drop [][]string
	for _, line := range now {
		fields := strings.Fields(line)
		switch {
		case len(fields) < 2 || !slices.Contains(made, line):
		case fields[0] == "-N" && !slices.Contains(stay, fields[1]):
			flush = append(flush, []string{"-F", fields[1]})
			drop = append(drop, []string{"-X", fields[1]})
		case fields[0] == "-A" && !slices.Contains(own, fields[1]) && !slices.Contains(stay, target(fields)):
			commands = append(commands, append([]string{"-D"}, fields[1:]...))
		}
	}
	slices.Sort(stay)
	return slices.Concat(commands, flush, drop), slices.Compact(stay)
}

// userChain is Docker's chain for the user's own rules.
const userChain = "DOCKER-USER"

// target is the chain that a rule leads to, or "".
func target(fields []string) string {
	if i := slices.IndexFunc(fields, func(f string) bool { return f == "-j" || f == "-g" }); i >= 0 && i+1 < len(fields) {
		return fields[i+1]
	}
	return ""
}
