package verify

import (
	"fmt"
	"slices"
	"strings"
)

// The ids of the checks.
const (
	CheckControlPlane = "control-plane"
	CheckTrust        = "trust"
	CheckDiscovery    = "discovery"
	CheckConnectivity = "connectivity"
	CheckNetworks     = "networks"
	CheckDistribution = "distribution"
	CheckFailover     = "failover"
	CheckMTLS         = "mtls"
)

// checks lists every check once, in the order of the report.
var checks = []Check{
	controlPlane, trust, discovery, connectivity, networks,
	distribution, failover, mutualTLS,
}

// Checks returns all checks, in the order of the report.
func Checks() []Check { return slices.Clone(checks) }

// IDs returns the ids of all checks, in the order of the report.
func IDs() []string { return ids(func(Check) bool { return true }) }

// ReadOnlyIDs returns the ids of the checks that change nothing and run by default.
func ReadOnlyIDs() []string { return ids(func(c Check) bool { return !c.Timed }) }

// TimedIDs returns the ids of the checks that deploy a workload of their own. They
// run only when Options.Full or Options.Only asks for them.
func TimedIDs() []string { return ids(func(c Check) bool { return c.Timed }) }

func ids(pick func(Check) bool) []string {
	var out []string
	for _, c := range checks {
		if pick(c) {
			out = append(out, c.ID)
		}
	}
	return out
}

// renamed maps the ids of report version 1 to the present ones.
var renamed = map[string]string{"planes": CheckControlPlane, "calls": CheckConnectivity}

// UnknownCheckError says that no check has that id.
type UnknownCheckError struct {
	ID  string
	New string // the present id of a check that was renamed; "" otherwise
}

func (e *UnknownCheckError) Error() string {
	if e.New != "" {
		return fmt.Sprintf("check %q is called %q now", e.ID, e.New)
	}
	return fmt.Sprintf("no check is called %q; the checks are %s", e.ID, strings.Join(IDs(), ", "))
}

// KnownID returns an *UnknownCheckError unless a check has that id.
func KnownID(id string) error {
	if slices.Contains(IDs(), id) {
		return nil
	}
	return &UnknownCheckError{ID: id, New: renamed[id]}
}
