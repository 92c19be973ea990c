package plan

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meshwright/meshwright/mesh/topology"
)

func TestBadTraffic(t *testing.T) {
	weights := func(from string, to map[string]int) []RegionWeights { return []RegionWeights{{from, to}} }
	half := map[string]int{"region1": 50, "region2": 50}
	// inert is a third region in which no helloworld runs.
	inert := func(c *Config) {
		c.Clusters = append(c.Clusters, ClusterConfig{Cluster: topology.Cluster{Name: "cluster3", Network: "network3", Locality: topology.Locality{Region: "region3"}}})
	}
	for name, test := range map[string]struct {
		traffic Traffic
		edit    func(*Config)
		want    []found
	}{
		"nothing said":       {},
		"distribute":         {traffic: Traffic{Mode: topology.Distribute}},
		"failover":           {traffic: Traffic{Mode: topology.Failover, Profile: topology.Article}},
		"declared weights":   {traffic: Traffic{Mode: topology.Distribute, Weights: weights("region1", half)}},
		"all to the other":   {traffic: Traffic{Mode: topology.Distribute, Weights: weights("region1", map[string]int{"region2": 100})}},
		"declared failover":  {traffic: Traffic{Mode: topology.Failover, Failover: []RegionFailover{{"region2", "region1"}}}},
		"from an inert one":  {traffic: Traffic{Mode: topology.Distribute, Weights: weights("region3", half)}, edit: inert},
		"unknown mode":       {traffic: Traffic{Mode: "roulette"}, want: []found{{"meshwright:traffic.mode", Unknown}}},
		"unknown profile":    {traffic: Traffic{Mode: topology.Failover, Profile: "brave"}, want: []found{{"meshwright:traffic.profile", Unknown}}},
		"none with profile":  {traffic: Traffic{Profile: topology.Article}, want: []found{{"meshwright:traffic.profile", NoEffect}}},
		"none with weights":  {traffic: Traffic{Weights: weights("region1", half)}, want: []found{{"meshwright:traffic.weights", NoEffect}}},
		"none with failover": {traffic: Traffic{Failover: []RegionFailover{{"region1", "region2"}}}, want: []found{{"meshwright:traffic.failover", NoEffect}}},
		"failover with weights": {
			traffic: Traffic{Mode: topology.Failover, Weights: weights("region1", half)}, want: []found{{"meshwright:traffic.weights", NoEffect}},
		},
		"distribute with failover": {
			traffic: Traffic{Mode: topology.Distribute, Failover: []RegionFailover{{"region1", "region2"}}},
			want:    []found{{"meshwright:traffic.failover", NoEffect}},
		},
		"cluster without region": {
			traffic: Traffic{Mode: topology.Distribute}, edit: func(c *Config) { c.Clusters[1].Locality = topology.Locality{} },
			want: []found{{"meshwright:clusters[1].locality.region", Missing}},
		},
		"one region": {
			traffic: Traffic{Mode: topology.Failover}, edit: func(c *Config) { c.Clusters[1].Locality.Region = "region1" },
			want: []found{{"meshwright:traffic.mode", TooSmall}},
		},
		"one cluster": {
			traffic: Traffic{Mode: topology.Failover}, edit: func(c *Config) { c.Clusters = c.Clusters[:1] },
			want: []found{{"meshwright:traffic.mode", TooSmall}},
		},
		"one region serves": {
			traffic: Traffic{Mode: topology.Distribute}, edit: func(c *Config) { c.Clusters[0].HelloWorld = nil },
			want: []found{{"meshwright:traffic.mode", TooSmall}},
		},
		"weights below 100": {
			traffic: Traffic{Mode: topology.Distribute, Weights: weights("region1", map[string]int{"region1": 80, "region2": 19})},
			want:    []found{{"meshwright:traffic.weights[0].to", OutOfBounds}},
		},
		"weights above 100": {
			traffic: Traffic{Mode: topology.Distribute, Weights: weights("region1", map[string]int{"region1": 80, "region2": 30})},
			want:    []found{{"meshwright:traffic.weights[0].to", OutOfBounds}},
		},
		"no weights at all": {
			traffic: Traffic{Mode: topology.Distribute, Weights: weights("region1", nil)},
			want:    []found{{"meshwright:traffic.weights[0].to", OutOfBounds}},
		},
		"negative weight": {
			traffic: Traffic{Mode: topology.Distribute, Weights: weights("region1", map[string]int{"region1": 120, "region2": -20})},
			want:    []found{{"meshwright:traffic.weights[0].to.region1", OutOfBounds}, {"meshwright:traffic.weights[0].to.region2", OutOfBounds}},
		},
		"zero weight": {
			traffic: Traffic{Mode: topology.Distribute, Weights: weights("region1", map[string]int{"region1": 100, "region2": 0})},
			want:    []found{{"meshwright:traffic.weights[0].to.region2", OutOfBounds}},
		},
		"weights from nowhere": {
			traffic: Traffic{Mode: topology.Distribute, Weights: weights("region9", half)}, want: []found{{"meshwright:traffic.weights[0].from", Unknown}},
		},
		"weights to nowhere": {
			traffic: Traffic{Mode: topology.Distribute, Weights: weights("region1", map[string]int{"region1": 80, "region9": 20})},
			want:    []found{{"meshwright:traffic.weights[0].to.region9", Unknown}},
		},
		"weights to an inert one": {
			traffic: Traffic{Mode: topology.Distribute, Weights: weights("region1", map[string]int{"region1": 80, "region3": 20})}, edit: inert,
			want: []found{{"meshwright:traffic.weights[0].to.region3", Missing}},
		},
		"two weights for one": {
			traffic: Traffic{Mode: topology.Distribute, Weights: append(weights("region1", half), weights("region1", half)...)},
			want:    []found{{"meshwright:traffic.weights[1].from", Duplicate}},
		},
		"failover to itself": {
			traffic: Traffic{Mode: topology.Failover, Failover: []RegionFailover{{"region1", "region1"}}},
			want:    []found{{"meshwright:traffic.failover[0].to", ToItself}},
		},
		"failover from nowhere": {
			traffic: Traffic{Mode: topology.Failover, Failover: []RegionFailover{{"", "region1"}}},
			want:    []found{{"meshwright:traffic.failover[0].from", Unknown}},
		},
		"failover to nowhere": {
			traffic: Traffic{Mode: topology.Failover, Failover: []RegionFailover{{"region1", "region9"}}},
			want:    []found{{"meshwright:traffic.failover[0].to", Unknown}},
		},
		"failover to an inert one": {
			traffic: Traffic{Mode: topology.Failover, Failover: []RegionFailover{{"region1", "region3"}}}, edit: inert,
			want: []found{{"meshwright:traffic.failover[0].to", Missing}},
		},
		"two failovers of one": {
			traffic: Traffic{Mode: topology.Failover, Failover: []RegionFailover{{"region1", "region2"}, {"region1", "region2"}}},
			want:    []found{{"meshwright:traffic.failover[1].from", Duplicate}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := article()
			c.Traffic = test.traffic
			if test.edit != nil {
				test.edit(c)
			}
			expectProblems(t, "dev", c, test.want)
		})
	}
}

// TestResolvedRule: what is left out follows the order of clusters.
func TestResolvedRule(t *testing.T) {
	at := func(region string, versions ...string) ClusterConfig {
		return ClusterConfig{Cluster: topology.Cluster{Name: "c-" + region, Network: "n", Locality: topology.Locality{Region: region}}, HelloWorld: versions}
	}
	three := []ClusterConfig{at("b", "v1"), at("a", "v2"), at("c", "v1")}
	inert := []ClusterConfig{at("b", "v1"), at("x"), at("a", "v2"), at("c", "v1")}
	for name, test := range map[string]struct {
		clusters []ClusterConfig
		traffic  Traffic
		want     topology.Rule
	}{
		"the article's weights": {
			three[:2],
			Traffic{Mode: topology.Distribute},
			topology.Rule{Mode: topology.Distribute, Profile: topology.ZeroLoss, Weights: map[string]map[string]int{
				"b": {"b": 80, "a": 20}, "a": {"a": 80, "b": 20},
			}},
		},
		"three regions": {
			three,
			Traffic{Mode: topology.Distribute},
			topology.Rule{Mode: topology.Distribute, Profile: topology.ZeroLoss, Weights: map[string]map[string]int{
				"b": {"b": 80, "a": 10, "c": 10}, "a": {"a": 80, "b": 10, "c": 10}, "c": {"c": 80, "b": 10, "a": 10},
			}},
		},
		"one declared, the rest by default": {
			three[:2],
			Traffic{Mode: topology.Distribute, Profile: topology.Article, Weights: []RegionWeights{{"a", map[string]int{"b": 100}}}},
			topology.Rule{Mode: topology.Distribute, Profile: topology.Article, Weights: map[string]map[string]int{
				"b": {"b": 80, "a": 20}, "a": {"b": 100},
			}},
		},
		"a region in which nothing answers": {
			inert,
			Traffic{Mode: topology.Distribute},
			topology.Rule{Mode: topology.Distribute, Profile: topology.ZeroLoss, Weights: map[string]map[string]int{
				"b": {"b": 80, "a": 10, "c": 10},
				"x": {"b": 34, "a": 33, "c": 33},
				"a": {"a": 80, "b": 10, "c": 10},
				"c": {"c": 80, "b": 10, "a": 10},
			}},
		},
		"a ring": {
			inert,
			Traffic{Mode: topology.Failover},
			topology.Rule{Mode: topology.Failover, Profile: topology.ZeroLoss, Failover: map[string]string{"b": "a", "x": "a", "a": "c", "c": "b"}},
		},
		"one declared, the ring for the rest": {
			three,
			Traffic{Mode: topology.Failover, Failover: []RegionFailover{{"c", "a"}}},
			topology.Rule{Mode: topology.Failover, Profile: topology.ZeroLoss, Failover: map[string]string{"b": "a", "a": "c", "c": "a"}},
		},
		"two clusters of a region": {
			[]ClusterConfig{at("b", "v1"), {Cluster: topology.Cluster{Name: "other", Network: "n", Locality: topology.Locality{Region: "b"}}}, at("a", "v2")},
			Traffic{Mode: topology.Failover},
			topology.Rule{Mode: topology.Failover, Profile: topology.ZeroLoss, Failover: map[string]string{"b": "a", "a": "b"}},
		},
		"two localities of a region": {
			[]ClusterConfig{at("b", "v1"), {Cluster: topology.Cluster{Name: "other", Network: "n", Locality: topology.Locality{Region: "b", Zone: "z"}}}, at("a", "v2")},
			Traffic{Mode: topology.Failover},
			topology.Rule{Mode: topology.Failover, Profile: topology.ZeroLoss, Failover: map[string]string{"b": "a", "a": "b"}, Localities: 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := NewPlan("dev", &Config{Clusters: test.clusters, Traffic: test.traffic}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, p.Traffic); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// inRegions draws valid configurations whose clusters stand in two regions or more.
func inRegions(t *rapid.T, mode string) *Config {
	n := rapid.IntRange(2, MaxClusters).Draw(t, "clusters")
	places := rapid.IntRange(2, n).Draw(t, "regions")
	c := &Config{Traffic: Traffic{Mode: mode}}
	for i := range n {
		cluster := ClusterConfig{Cluster: topology.Cluster{Name: fmt.Sprintf("c%d", i), Network: "n", Locality: topology.Locality{Region: fmt.Sprintf("r%d", i%places)}}}
		if i < 2 || rapid.Bool().Draw(t, "serves") {
			cluster.HelloWorld = []string{"v1"}
		}
		c.Clusters = append(c.Clusters, cluster)
	}
	return c
}

func TestWeightsSumToAHundred(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := inRegions(t, topology.Distribute)
		p, err := NewPlan("dev", c, nil)
		if err != nil {
			t.Fatal(err)
		}
		r := c.regions()
		if len(p.Traffic.Weights) != len(r.All) {
			t.Fatalf("%d rules for %d regions", len(p.Traffic.Weights), len(r.All))
		}
		for from, to := range p.Traffic.Weights {
			sum, least, most := 0, 100, 0
			for region, percent := range to {
				if percent < 1 || !slices.Contains(r.Serving, region) {
					t.Fatalf("from %s: %d percent to %s", from, percent, region)
				}
				sum += percent
				if region != from {
					least, most = min(least, percent), max(most, percent)
				}
			}
			if sum != 100 {
				t.Fatalf("from %s: %v sums to %d", from, to, sum)
			}
			if most-least > 1 {
				t.Fatalf("from %s: %v is not even", from, to)
			}
		}
		// What a plan resolves is itself a configuration, and stays as it is.
		for from, to := range p.Traffic.Weights {
			c.Traffic.Weights = append(c.Traffic.Weights, RegionWeights{from, to})
		}
		again, err := NewPlan("dev", c, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p.Traffic, again.Traffic); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestFailoverReachesEveryRegionThatServes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := inRegions(t, topology.Failover)
		p, err := NewPlan("dev", c, nil)
		if err != nil {
			t.Fatal(err)
		}
		r := c.regions()
		taken := map[string]bool{}
		for from, to := range p.Traffic.Failover {
			if from == to || !slices.Contains(r.Serving, to) {
				t.Fatalf("%s fails over to %s", from, to)
			}
			taken[to] = true
		}
		if len(taken) != len(r.Serving) {
			t.Fatalf("%d of %d regions take over for another", len(taken), len(r.Serving))
		}
	})
}
