package verify

import (
	"context"

	"github.com/meshwright/meshwright/mesh/topology"
)

// Deployer brings up the workloads of timed checks. They live in namespaces of
// their own, so that a check changes nothing of the user's.
type Deployer interface {
	// Deploy brings the scenario's workload up and returns it when it can be
	// called. Whatever it made is removed by Remove, also when it failed.
	Deploy(ctx context.Context, s Scenario) (Workload, error)
	// Remove takes the scenario of that name down. Nothing to remove is no error.
	Remove(ctx context.Context, name string) error
}

// Scenario is the workload that a timed check needs: the sample in every cluster,
// with a load generator beside it.
type Scenario struct {
	Name    string // "distribution", "failover", "mtls" or "drain"
	Traffic TrafficRule
	MTLS    string // "STRICT", or "" for the mesh's own setting
	// Outsiders adds pods without a proxy, one of them on the node's network.
	Outsiders bool
}

// TrafficRule is how a workload's requests are spread over regions, as the
// configuration's key "traffic" describes it, with its defaults filled in. The
// zero rule leaves the choice to Istio.
type TrafficRule = topology.Rule

// Tuning is what profile zero-loss adds to the article's rule, part by part.
type Tuning = topology.Tuning

// Profiles of a TrafficRule.
const (
	ProfileZeroLoss = topology.ZeroLoss
	ProfileArticle  = topology.Article
)

// Rules are the rules of the timed checks, with all defaults filled in.
type Rules struct {
	Distribute, Failover TrafficRule
}

// Profiles lists the profiles.
func Profiles() []string { return []string{ProfileZeroLoss, ProfileArticle} }
