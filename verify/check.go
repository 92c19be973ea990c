package verify

import (
	"context"
	"slices"
	"time"

	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/report"
)

// Check is one property of a mesh: its data, and the function that looks.
type Check struct {
	ID     string
	Title  string
	Proves string
	// Needs are the capabilities without which the check is skipped.
	Needs []Capability
	// Deadline is how long the check is tried by default.
	Deadline time.Duration
	// Reasons are what the check can find, causes before consequences. Those of
	// CommonReasons are not repeated.
	Reasons []Cause
	// Timed checks deploy a workload of their own and put load on it. They run
	// alone, once, and only when they are asked for.
	Timed bool

	run func(context.Context, *session, *outcome)
}

// Cause is a reason, what it means and what to do about it.
type Cause struct {
	Reason  Reason
	Meaning string
	Remedy  report.Remedy
}

// remedy says what to do about a reason of the check's.
func (c Check) remedy(r Reason) report.Remedy {
	for _, list := range [][]Cause{c.Reasons, commonReasons} {
		if i := slices.IndexFunc(list, func(c Cause) bool { return c.Reason == r }); i >= 0 {
			return list[i].Remedy
		}
	}
	return report.Remedy{}
}

// Capability is something that a check needs of the mesh or of its caller.
type Capability string

// The capabilities.
const (
	CapabilityWorkload Capability = "workload" // a workload to call
	CapabilityDeployer Capability = "deployer" // the permission to deploy workloads, Options.Deployer
	CapabilityRegions  Capability = "regions"  // two regions that serve the workload
)

// Reasons to skip a check.
const (
	ReasonNoWorkload Reason = "NoWorkload"
	ReasonNoDeployer Reason = "NoDeployer"
	ReasonNoRegions  Reason = "NoRegions"
)

// Missing is the reason for which a check is skipped that needs the capability.
func (c Capability) Missing() Cause { return missing[c] }

var missing = map[Capability]Cause{
	CapabilityWorkload: {
		ReasonNoWorkload, "there is no workload to call",
		report.Remedy{Operation: report.OperationUp, Text: "deploy the sample or name a workload"},
	},
	CapabilityDeployer: {
		ReasonNoDeployer, "the check deploys a workload of its own, and nothing may be deployed here",
		report.Remedy{Text: "run the check as the owner of the lab"},
	},
	CapabilityRegions: {
		ReasonNoRegions, "fewer than two regions serve the workload",
		report.Remedy{Operation: report.OperationUp, Text: "set the locality of every cluster; two regions must serve the workload"},
	},
}

// lacks says why a capability is missing in m; ok is false when one is.
func (m *session) lacks(needs []Capability) (c Cause, why string, ok bool) {
	for _, need := range needs {
		why := ""
		switch need {
		case CapabilityWorkload:
			if m.workload.Empty() {
				why = need.Missing().Meaning
			}
		case CapabilityDeployer:
			if m.deployer == nil {
				why = need.Missing().Meaning
			}
		case CapabilityRegions:
			if i := slices.IndexFunc(m.members, func(c *mesh.Member) bool { return c.Region == "" }); i >= 0 {
				why = "cluster " + m.members[i].Name + " has no region"
			} else if len(m.servedRegions()) < 2 {
				why = need.Missing().Meaning
			}
		}
		if why != "" {
			return need.Missing(), why, false
		}
	}
	return Cause{}, "", true
}
