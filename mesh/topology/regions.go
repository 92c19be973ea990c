package topology

import "slices"

// Regions are the regions of a mesh in the order of its clusters.
type Regions struct {
	All []string
	// Serving are those in which the workload runs.
	Serving []string
	// Localities is the number of localities in the region that has the most.
	Localities int
	// complete is true if every cluster has a region.
	complete bool
}

// Regions returns the regions of the mesh. serves reports whether the workload runs
// in the i-th cluster.
func (t Topology) Regions(serves func(i int) bool) Regions {
	r := Regions{complete: true}
	serving := map[string]bool{}
	localities := map[string]map[Locality]bool{}
	for i, c := range t {
		if localities[c.Region] == nil {
			localities[c.Region] = map[Locality]bool{}
			if c.Region != "" {
				r.All = append(r.All, c.Region)
			}
		}
		localities[c.Region][c.Locality] = true
		r.Localities = max(r.Localities, len(localities[c.Region]))
		r.complete = r.complete && c.Region != ""
		serving[c.Region] = serving[c.Region] || serves(i)
	}
	for _, region := range r.All {
		if serving[region] {
			r.Serving = append(r.Serving, region)
		}
	}
	return r
}

// Rule returns the default rule of a mode, with an entry for each region. It is zero
// for any other mode, and for a mesh that such a rule is not possible for: one whose
// workload serves in fewer than two regions, or with a cluster that has no region.
func (r Regions) Rule(mode, profile string) Rule {
	if !r.complete || len(r.Serving) < 2 {
		return Rule{}
	}
	rule := Rule{Mode: mode, Profile: profile}
	switch mode {
	case Distribute:
		rule.Weights = map[string]map[string]int{}
		for _, region := range r.All {
			rule.Weights[region] = r.weights(region)
		}
	case Failover:
		rule.Failover = map[string]string{}
		for _, region := range r.All {
			rule.Failover[region] = r.next(region)
		}
		if r.Localities > 1 {
			rule.Localities = r.Localities
		}
	default:
		return Rule{}
	}
	return rule
}

// defaultLeaving is the percentage of a region's requests that leave it. With more
// regions than that, each gets one percent.
const defaultLeaving = 20

// weights keep most requests in their region and spread the rest evenly over the
// others, in whole percents; the first regions get the remainder. A region in which
// the workload does not run spreads all of its requests.
func (r Regions) weights(from string) map[string]int {
	others := slices.DeleteFunc(slices.Clone(r.Serving), func(s string) bool { return s == from })
	weights := map[string]int{}
	leaving := 100
	if len(others) < len(r.Serving) {
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

// next is the serving region that follows in the order of clusters; the first follows
// the last.
func (r Regions) next(region string) string {
	at := slices.Index(r.All, region)
	for i := range r.All {
		if next := r.All[(at+1+i)%len(r.All)]; next != region && slices.Contains(r.Serving, next) {
			return next
		}
	}
	return ""
}
