package verify

import "context"

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
type TrafficRule struct {
	Mode    string `json:"mode,omitempty"`    // "none", "distribute" or "failover"
	Profile string `json:"profile,omitempty"` // "zero-loss" or "article"
	// Weights of mode distribute: percent by the client's region and the server's.
	Weights map[string]map[string]int `json:"weights,omitempty"`
	// Failover of mode failover: the region that takes over, by region.
	Failover map[string]string `json:"failover,omitempty"`
	// Tuning overrides the profile, for measuring what each part of it adds.
	Tuning *Tuning `json:"tuning,omitempty"`
}

// Tuning is what profile zero-loss adds to the article's rule, part by part.
type Tuning struct {
	MaxEjection   bool `json:"maxEjection"`   // eject every endpoint of a region, if need be
	GatewayErrors bool `json:"gatewayErrors"` // eject for gateway errors alone, not for the application's own
	Retries       bool `json:"retries"`       // retry resets, where the method is safe to repeat
	RetryRemote   bool `json:"retryRemote"`   // retry in other regions
	FastConnect   bool `json:"fastConnect"`   // give a connection that nobody answers up after a second
	NoPanic       bool `json:"noPanic"`       // never fall back on endpoints known to be ill
}

// Profiles of a TrafficRule.
const (
	ProfileZeroLoss = "zero-loss"
	ProfileArticle  = "article"
)

// Rules are the rules of the timed checks, with all defaults filled in.
type Rules struct {
	Distribute, Failover TrafficRule
}

// Profiles lists the profiles.
func Profiles() []string { return []string{ProfileZeroLoss, ProfileArticle} }
