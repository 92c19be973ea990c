package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// traffic checks the regional rules against the clusters that there are.
func (v *validator) traffic() {
	t := v.config.Traffic
	if t.Profile != "" && t.Profile != ProfileZeroLoss && t.Profile != ProfileArticle {
		v.add("traffic.profile", Unknown, "use zero-loss or article", "there is no profile %q", t.Profile)
	}
	switch t.Mode {
	case TrafficNone:
		v.unused(t.Profile != "", "profile", t.Mode, "distribute or failover")
	case TrafficDistribute, TrafficFailover:
	default:
		v.add("traffic.mode", Unknown, "use none, distribute or failover", "%q is no way to spread traffic", t.Mode)
		return
	}
	v.unused(t.Mode != TrafficDistribute && len(t.Weights) > 0, "weights", t.Mode, string(TrafficDistribute))
	v.unused(t.Mode != TrafficFailover && len(t.Failover) > 0, "failover", t.Mode, string(TrafficFailover))
	if t.Mode == TrafficNone || !v.regional() {
		return
	}
	r := regionsOf(v.config.Clusters)
	if t.Mode == TrafficDistribute {
		for i := range t.Weights {
			v.weights(i, r)
		}
		return
	}
	for i := range t.Failover {
		v.failover(i, r)
	}
}

// unused reports a part of the rule that its mode does not look at.
func (v *validator) unused(is bool, field string, mode TrafficMode, modes string) {
	if is {
		v.add("traffic."+field, NoEffect, fmt.Sprintf("leave it out, or set traffic.mode to %s", modes), "mode %s has no %s", mode, field)
	}
}

// regional says whether the clusters are spread over regions at all.
func (v *validator) regional() bool {
	ok := true
	for i, c := range v.config.Clusters {
		if c.Locality.Region == "" {
			ok = false
			v.add(fmt.Sprintf("clusters[%d].locality.region", i), Missing, "name the region, or set traffic.mode to none",
				"traffic.mode %s needs to know where %q stands", v.config.Traffic.Mode, c.Name)
		}
	}
	if r := regionsOf(v.config.Clusters); ok && len(r.serving) < 2 {
		ok = false
		v.add("traffic.mode", TooSmall, "give clusters of another region a helloworld, or set it to none",
			"%s needs two regions where helloworld runs, here there are %d", v.config.Traffic.Mode, len(r.serving))
	}
	return ok
}

func (v *validator) weights(i int, r regions) {
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
		v.add(key+".to", OutOfBounds, "make them sum to 100", "the weights sum to %d", sum)
	}
}

func (v *validator) failover(i int, r regions) {
	rules := v.config.Traffic.Failover
	key := fmt.Sprintf("traffic.failover[%d]", i)
	v.from(key, rules[i].From, r, slices.ContainsFunc(rules[:i], func(f RegionFailover) bool { return f.From == rules[i].From }))
	if v.serves(key+".to", rules[i].To, r) && rules[i].To == rules[i].From {
		v.add(key+".to", ToItself, "name another region", "%q cannot take over for itself", rules[i].To)
	}
}

// from checks the region that a rule is for.
func (v *validator) from(key, region string, r regions, twice bool) {
	switch {
	case !slices.Contains(r.all, region):
		v.add(key+".from", Unknown, "use "+strings.Join(r.all, " or "), "no cluster stands in region %q", region)
	case twice:
		v.add(key+".from", Duplicate, "give each region one rule", "%q has a rule already", region)
	}
}

// serves checks a region that requests are to go to.
func (v *validator) serves(key, region string, r regions) bool {
	switch {
	case !slices.Contains(r.all, region):
		v.add(key, Unknown, "use "+strings.Join(r.serving, " or "), "no cluster stands in region %q", region)
	case !slices.Contains(r.serving, region):
		v.add(key, Missing, "give a cluster there a helloworld, or use "+strings.Join(r.serving, " or "), "no helloworld runs in region %q", region)
	default:
		return true
	}
	return false
}
