package topology

import (
	"maps"
	"slices"
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
	TrafficDistribute TrafficMode = "distribute"
	// TrafficFailover keeps requests in their region while it answers.
	TrafficFailover TrafficMode = "failover"
)

// TrafficProfile is what happens to requests while a region fails.
type TrafficProfile string

// The profiles.
const (
	// ProfileZeroLoss adds to the article's rule what keeps requests from being lost.
	ProfileZeroLoss TrafficProfile = "zero-loss"
	// ProfileArticle is the source article's rule and nothing else.
	ProfileArticle TrafficProfile = "article"
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
}

func regionsOf(clusters []Cluster) regions {
	var r regions
	for _, c := range clusters {
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

// resolve is the rule with an entry for every region, in the order of clusters. The
// configuration is known to be valid.
func (t Traffic) resolve(r regions) Traffic {
	out := Traffic{Mode: t.Mode, Profile: t.Profile}
	for _, region := range r.all {
		switch t.Mode {
		case TrafficDistribute:
			rule := RegionWeights{From: region}
			if i := slices.IndexFunc(t.Weights, func(w RegionWeights) bool { return w.From == region }); i >= 0 {
				rule.To = maps.Clone(t.Weights[i].To)
			} else {
				rule.To = defaultWeights(region, r.serving)
			}
			out.Weights = append(out.Weights, rule)
		case TrafficFailover:
			rule := RegionFailover{From: region}
			if i := slices.IndexFunc(t.Failover, func(f RegionFailover) bool { return f.From == region }); i >= 0 {
				rule.To = t.Failover[i].To
			} else {
				rule.To = r.next(region)
			}
			out.Failover = append(out.Failover, rule)
		}
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
