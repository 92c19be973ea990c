package plan

import (
	"maps"
	"slices"

	"github.com/meshwright/meshwright/mesh/topology"
)

// Traffic configures regional load balancing of the sample.
type Traffic struct {
	// Mode is "none" (the default: Istio chooses among all endpoints), "distribute"
	// (by weights) or "failover" (to another region when the own one fails).
	Mode TrafficMode `json:"mode,omitempty" jsonschema:"enum=none,enum=distribute,enum=failover"`
	// Profile is "zero-loss" (the default) or "article", the source article's rule
	// word for word.
	Profile TrafficProfile `json:"profile,omitempty" jsonschema:"enum=zero-loss,enum=article"`
	// Weights of mode distribute. A region that is not listed keeps the default: 80
	// percent stay, 20 are spread evenly over the other regions.
	Weights []RegionWeights `json:"weights,omitempty"`
	// Failover of mode failover. A region that is not listed fails over to the next
	// one in the order of clusters, the last to the first.
	Failover []RegionFailover `json:"failover,omitempty"`
}

// RegionWeights says where one region's requests go.
type RegionWeights struct {
	// From is the region of the client.
	From string `json:"from"`
	// To is percent by region. They sum to 100; a region left out gets nothing.
	To map[string]int `json:"to"`
}

// RegionFailover says which region takes over for another.
type RegionFailover struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// TrafficMode is a way to spread requests over regions.
type TrafficMode string

// The modes.
const (
	// TrafficNone leaves the choice of endpoint to Istio's default.
	TrafficNone TrafficMode = "none"
	// TrafficDistribute spreads each region's requests by weight.
	TrafficDistribute TrafficMode = topology.Distribute
	// TrafficFailover keeps requests in their region while it answers.
	TrafficFailover TrafficMode = topology.Failover
)

// TrafficProfile is what happens to requests while a region fails.
type TrafficProfile string

// The profiles.
const (
	// ProfileZeroLoss adds to the article's rule what keeps requests from being lost.
	ProfileZeroLoss TrafficProfile = topology.ZeroLoss
	// ProfileArticle is the source article's rule and nothing else.
	ProfileArticle TrafficProfile = topology.Article
)

// Percent of a region's requests that leave it, where nothing else is configured.
// With more regions than that each gets one percent.
const defaultLeaving = 20

func (t Traffic) withDefaults() Traffic {
	if t.Mode == "" {
		t.Mode = TrafficNone
	}
	if t.Mode != TrafficNone && t.Profile == "" {
		t.Profile = ProfileZeroLoss
	}
	return t
}

// regions are where the clusters of a configuration stand.
type regions struct {
	// all in the order of clusters; serving are those where the sample runs.
	all, serving []string
	// localities in the region that has the most.
	localities int
}

func regionsOf(clusters []Cluster) regions {
	var r regions
	localities := map[string]map[Locality]bool{}
	for _, c := range clusters {
		if localities[c.Locality.Region] == nil {
			localities[c.Locality.Region] = map[Locality]bool{}
		}
		localities[c.Locality.Region][c.Locality] = true
		r.localities = max(r.localities, len(localities[c.Locality.Region]))
		if name := c.Locality.Region; name != "" && !slices.Contains(r.all, name) {
			r.all = append(r.all, name)
		}
	}
	for _, name := range r.all {
		if slices.ContainsFunc(clusters, func(c Cluster) bool { return c.Locality.Region == name && len(c.HelloWorld) > 0 }) {
			r.serving = append(r.serving, name)
		}
	}
	return r
}

// resolve is the rule with an entry for every region. The configuration is known to be
// valid.
func (t Traffic) resolve(r regions) topology.Rule {
	out := topology.Rule{Mode: string(t.Mode), Profile: string(t.Profile)}
	switch t.Mode {
	case TrafficDistribute:
		out.Weights = map[string]map[string]int{}
		for _, region := range r.all {
			out.Weights[region] = defaultWeights(region, r.serving)
		}
		for _, w := range t.Weights {
			out.Weights[w.From] = maps.Clone(w.To)
		}
	case TrafficFailover:
		out.Failover = map[string]string{}
		for _, region := range r.all {
			out.Failover[region] = r.next(region)
		}
		for _, f := range t.Failover {
			out.Failover[f.From] = f.To
		}
		if r.localities > 1 {
			out.Localities = r.localities
		}
	default:
		return topology.Rule{}
	}
	return out
}

// defaultWeights keep most requests where they are and spread the rest evenly, in
// whole percents: the first regions get what does not divide. A region in which
// nothing answers spreads them all.
func defaultWeights(from string, serving []string) map[string]int {
	others := slices.DeleteFunc(slices.Clone(serving), func(s string) bool { return s == from })
	weights := map[string]int{}
	leaving := 100
	if len(others) < len(serving) {
		leaving = max(defaultLeaving, len(others))
		weights[from] = 100 - leaving
	}
	for i, region := range others {
		weights[region] = leaving / len(others)
		if i < leaving%len(others) {
			weights[region]++
		}
	}
	return weights
}

// next is the serving region that follows in the order of clusters, the first after
// the last.
func (r regions) next(region string) string {
	at := slices.Index(r.all, region)
	for i := range r.all {
		if next := r.all[(at+1+i)%len(r.all)]; next != region && slices.Contains(r.serving, next) {
			return next
		}
	}
	return ""
}
