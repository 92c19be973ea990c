package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/meshwright/meshwright/mesh/topology"
)

// traffic checks the regional rules against the clusters.
func (v *validator) traffic() {
	t := v.config.Traffic
	if t.Profile != "" && t.Profile != topology.ZeroLoss && t.Profile != topology.Article {
		v.add("traffic.profile", Unknown, "use zero-loss or article", "there is no profile %q", t.Profile)
	}
	switch t.Mode {
	case TrafficNone:
		v.unused(t.Profile != "", "profile", t.Mode, "distribute or failover")
	case topology.Distribute, topology.Failover:
	default:
		v.add("traffic.mode", Unknown, "use none, distribute or failover", "%q is not a mode", t.Mode)
		return
	}
	v.unused(t.Mode != topology.Distribute && len(t.Weights) > 0, "weights", t.Mode, topology.Distribute)
	v.unused(t.Mode != topology.Failover && len(t.Failover) > 0, "failover", t.Mode, topology.Failover)
	if t.Mode == TrafficNone || !v.regional() {
		return
	}
	r := v.config.regions()
	if t.Mode == topology.Distribute {
		for i := range t.Weights {
			v.weights(i, r)
		}
		return
	}
	for i := range t.Failover {
		v.failover(i, r)
	}
}

// unused reports a part of the rule that its mode does not use.
func (v *validator) unused(is bool, field string, mode, modes string) {
	if is {
		v.add("traffic."+field, NoEffect, fmt.Sprintf("leave it out, or set traffic.mode to %s", modes), "mode %s has no %s", mode, field)
	}
}

// regional reports whether requests can be spread over regions at all.
func (v *validator) regional() bool {
	ok := true
	for i, c := range v.config.Clusters {
		if c.Locality.Region == "" {
			ok = false
			v.add(fmt.Sprintf("clusters[%d].locality.region", i), Missing, "set the region, or set traffic.mode to none",
				"traffic.mode %s needs the region of %q", v.config.Traffic.Mode, c.Name)
		}
	}
	if r := v.config.regions(); ok && len(r.Serving) < 2 {
		ok = false
		v.add("traffic.mode", TooSmall, "add helloworld to a cluster of another region, or set it to none",
			"%s needs two regions in which helloworld runs, there are %d", v.config.Traffic.Mode, len(r.Serving))
	}
	return ok
}

func (v *validator) weights(i int, r topology.Regions) {
	rules := v.config.Traffic.Weights
	key := fmt.Sprintf("traffic.weights[%d]", i)
	v.from(key, rules[i].From, r, slices.ContainsFunc(rules[:i], func(w RegionWeights) bool { return w.From == rules[i].From }))
	sum, fine := 0, true
	for _, region := range slices.Sorted(maps.Keys(rules[i].To)) {
		percent := rules[i].To[region]
		at := key + ".to." + region
		fine = v.serves(at, region, r) && fine
		if percent < 1 || percent > 100 {
			fine = false
			v.add(at, OutOfBounds, "use 1 to 100, or leave the region out", "%d percent", percent)
		}
		sum += percent
	}
	if fine && sum != 100 {
		v.add(key+".to", OutOfBounds, "use weights that sum to 100", "the weights sum to %d", sum)
	}
}

func (v *validator) failover(i int, r topology.Regions) {
	rules := v.config.Traffic.Failover
	key := fmt.Sprintf("traffic.failover[%d]", i)
	v.from(key, rules[i].From, r, slices.ContainsFunc(rules[:i], func(f RegionFailover) bool { return f.From == rules[i].From }))
	if v.serves(key+".to", rules[i].To, r) && rules[i].To == rules[i].From {
		v.add(key+".to", ToItself, "use another region", "%q cannot take over for itself", rules[i].To)
	}
}

// from checks the region that a rule is for.
func (v *validator) from(key, region string, r topology.Regions, twice bool) {
	switch {
	case !slices.Contains(r.All, region):
		v.add(key+".from", Unknown, "use "+strings.Join(r.All, " or "), "no cluster is in region %q", region)
	case twice:
		v.add(key+".from", Duplicate, "give each region one rule", "%q already has a rule", region)
	}
}

// serves checks a region that requests are to go to.
func (v *validator) serves(key, region string, r topology.Regions) bool {
	switch {
	case !slices.Contains(r.All, region):
		v.add(key, Unknown, "use "+strings.Join(r.Serving, " or "), "no cluster is in region %q", region)
	case !slices.Contains(r.Serving, region):
		v.add(key, Missing, "add helloworld to a cluster of the region, or use "+strings.Join(r.Serving, " or "), "no helloworld runs in region %q", region)
	default:
		return true
	}
	return false
}
