package setup

import (
	"context"
	"errors"
	"regexp"
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

// removeDockerRules deletes the packet filter rules and chains that dockerd leaves
// when it stops, and nothing else, and sets the FORWARD policy back ("" leaves it). Like
// dockerd it goes through iptables: an nftables client does not see the tables of
// iptables-legacy, and cannot decode the rules that iptables-nft writes.
func (m Machine) removeDockerRules(ctx context.Context, policy string) error {
	var errs []error
	for _, table := range []string{"nat", "filter"} {
		rules, err := m.iptables(ctx, "-t", table, "-S")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, command := range dockerRules(string(rules)) {
			_, err := m.iptables(ctx, append([]string{"-t", table}, command...)...)
			errs = append(errs, err)
		}
	}
	if policy != "" {
		_, err := m.iptables(ctx, "-P", "FORWARD", policy)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// dockerRules turns the output of `iptables -S` into the commands that delete
// Docker's part: first the rules with docker0 or a jump into Docker's chains, then the
// content of these chains, then the chains, which must be empty and unused.
func dockerRules(rules string) [][]string {
	var del, flush, drop [][]string
	for line := range strings.Lines(rules) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		switch chain := fields[1]; {
		case fields[0] == "-N" && dockerChain.MatchString(chain):
			flush = append(flush, []string{"-F", chain})
			drop = append(drop, []string{"-X", chain})
		case fields[0] == "-A" && !dockerChain.MatchString(chain) && dockerRule.MatchString(line):
			del = append(del, append([]string{"-D"}, fields[1:]...))
		}
	}
	return slices.Concat(del, flush, drop)
}

var (
	dockerChain = regexp.MustCompile(`^DOCKER(-|$)`)
	dockerRule  = regexp.MustCompile(` (-[io] docker0|-[jg] DOCKER(-\S+)?)(\s|$)`)
)
