package setup

import (
	"context"
	"errors"
	"strings"
)

// forwardPolicy returns the policy of the filter table's FORWARD chain.
func (m Machine) forwardPolicy(ctx context.Context) (string, error) {
	rules, err := m.run(ctx, nil, "iptables", "-w", "10", "-S", "FORWARD")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(rules)) {
		if policy, ok := strings.CutPrefix(strings.TrimSpace(line), "-P FORWARD "); ok {
			return policy, nil
		}
	}
	return "", nil
}

// removeDockerRules deletes the packet filter rules and chains that dockerd
// leaves behind when it stops, and nothing else, and sets the FORWARD policy
// back to what it was ("" leaves it).
func (m Machine) removeDockerRules(ctx context.Context, policy string) error {
	var errs []error
	for _, table := range []string{"nat", "filter"} {
		rules, err := m.run(ctx, nil, "iptables", "-w", "10", "-t", table, "-S")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, command := range dockerRules(string(rules)) {
			_, err := m.run(ctx, nil, "iptables", append([]string{"-w", "10", "-t", table}, command...)...)
			errs = append(errs, err)
		}
	}
	if policy != "" {
		_, err := m.run(ctx, nil, "iptables", "-w", "10", "-P", "FORWARD", policy)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// dockerRules turns the output of `iptables -S` into the commands that delete
// Docker's part: rules that name docker0 or jump into Docker's chains, what the
// chains hold, then the chains, which must be empty and unused by then.
func dockerRules(rules string) [][]string {
	var del, flush, drop [][]string
	for line := range strings.Lines(rules) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		dockers := fields[1] == "DOCKER" || strings.HasPrefix(fields[1], "DOCKER-")
		switch {
		case fields[0] == "-N" && dockers:
			flush = append(flush, []string{"-F", fields[1]})
			drop = append(drop, []string{"-X", fields[1]})
		case fields[0] == "-A" && !dockers && namesDocker(fields[2:]):
			del = append(del, append([]string{"-D"}, fields[1:]...))
		}
	}
	return append(append(del, flush...), drop...)
}

// namesDocker reports whether a rule's interface or target is Docker's.
func namesDocker(fields []string) bool {
	for i := 1; i < len(fields); i++ {
		switch fields[i-1] {
		case "-i", "-o":
			if fields[i] == "docker0" {
				return true
			}
		case "-j", "-g":
			if fields[i] == "DOCKER" || strings.HasPrefix(fields[i], "DOCKER-") {
				return true
			}
		}
	}
	return false
}
