package plan

import (
	"maps"

	"github.com/meshwright/meshwright/mesh/topology"
)

// Traffic configures regional load balancing of the sample.
type Traffic struct {
	// Mode is "none" (the default: Istio chooses among all endpoints), "distribute"
	// (by weight) or "failover" (to another region if a client's own region fails).
	Mode string `json:"mode,omitempty" jsonschema:"enum=none,enum=distribute,enum=failover"`
	// Profile is "zero-loss" (the default) or "article", the source article's rule
	// without changes.
	Profile string `json:"profile,omitempty" jsonschema:"enum=zero-loss,enum=article"`
	// Weights of mode distribute. A region that is not listed has the default: 80
	// percent stay, 20 percent are spread evenly over the other regions.
	Weights []RegionWeights `json:"weights,omitempty"`
	// Failover of mode failover. A region that is not listed fails over to the next
	// region in the order of clusters, the last region to the first.
	Failover []RegionFailover `json:"failover,omitempty"`
}

// RegionWeights spread the requests of one region.
type RegionWeights struct {
	// From is the region of the client.
	From string `json:"from"`
	// To is the percentage by region. The sum is 100; a region left out gets nothing.
	To map[string]int `json:"to"`
}

// RegionFailover sends the requests of one region to another if the first fails.
type RegionFailover struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// TrafficNone is the mode that leaves the choice of endpoint to Istio. The others are
// topology.Distribute and topology.Failover.
const TrafficNone = "none"

func (t Traffic) withDefaults() Traffic {
	if t.Mode == "" {
		t.Mode = TrafficNone
	}
	if t.Mode != TrafficNone && t.Profile == "" {
		t.Profile = topology.ZeroLoss
	}
	return t
}

// resolve returns the rule with an entry for each region. t is valid.
func (t Traffic) resolve(r topology.Regions) topology.Rule {
	rule := r.Rule(t.Mode, t.Profile)
	for _, w := range t.Weights {
		rule.Weights[w.From] = maps.Clone(w.To)
	}
	for _, f := range t.Failover {
		rule.Failover[f.From] = f.To
	}
	return rule
}
