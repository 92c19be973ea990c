package plan

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/mesh/topology"
)

// found is a problem as tests look at it.
type found struct {
	Key    string
	Reason Reason
}

// expectProblems plans a configuration and compares what is wrong with it.
func expectProblems(t *testing.T, lab string, c *Config, want []found) {
	t.Helper()
	var got []found
	_, err := NewPlan(lab, c, nil)
	var invalid *InvalidError
	if errors.As(err, &invalid) {
		for _, p := range invalid.Problems {
			got = append(got, found{p.Key, p.Reason})
			if p.Detail == "" || p.Remedy == "" || !strings.Contains(err.Error(), p.Remedy) {
				t.Errorf("%s: no remedy in %q", p.Key, err)
			}
		}
	} else if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n%v", diff, err)
	}
}

func TestBadConfigurations(t *testing.T) {
	off := false
	for name, test := range map[string]struct {
		lab  string
		edit func(*Config)
		want []found
	}{
		"no clusters":          {edit: func(c *Config) { c.Clusters = nil }, want: []found{{"meshwright:clusters", Missing}}},
		"nameless cluster":     {edit: func(c *Config) { c.Clusters[0].Name, c.Clusters[0].ControlPlane = "", "" }, want: []found{{"meshwright:clusters[0].name", Missing}}},
		"name in capitals":     {edit: func(c *Config) { c.Clusters[1].Name = "Cluster2" }, want: []found{{"meshwright:clusters[1].name", Malformed}}},
		"name with underscore": {edit: func(c *Config) { c.Clusters[1].Name = "cluster_2" }, want: []found{{"meshwright:clusters[1].name", Malformed}}},
		"name ends in hyphen":  {edit: func(c *Config) { c.Clusters[1].Name = "c-" }, want: []found{{"meshwright:clusters[1].name", Malformed}}},
		"name too long":        {edit: func(c *Config) { c.Clusters[1].Name = strings.Repeat("c", 64) }, want: []found{{"meshwright:clusters[1].name", TooLong}}},
		"node name too long for DNS": {
			lab: strings.Repeat("l", 41), want: []found{{"meshwright:clusters[0].name", TooLong}, {"meshwright:clusters[1].name", TooLong}},
		},
		"duplicate name": {
			edit: func(c *Config) { c.Clusters[1].Name = "cluster1" }, want: []found{{"meshwright:clusters[1].name", Duplicate}},
		},
		"no network":            {edit: func(c *Config) { c.Clusters[1].Network = "" }, want: []found{{"meshwright:clusters[1].network", Missing}}},
		"bad network":           {edit: func(c *Config) { c.Clusters[1].Network = "net work" }, want: []found{{"meshwright:clusters[1].network", Malformed}}},
		"unknown control plane": {edit: func(c *Config) { c.Clusters[1].ControlPlane = "cluster3" }, want: []found{{"meshwright:clusters[1].controlPlane", Unknown}}},
		"remote of a remote": {
			edit: func(c *Config) {
				c.Clusters[1].ControlPlane = "cluster1"
				c.Clusters = append(c.Clusters, ClusterConfig{Cluster: topology.Cluster{Name: "cluster3", Network: "network1", ControlPlane: "cluster2"}})
			},
			want: []found{{"meshwright:clusters[2].controlPlane", NotPrimary}},
		},
		"two clusters serve each other": {
			edit: func(c *Config) { c.Clusters[0].ControlPlane, c.Clusters[1].ControlPlane = "cluster2", "cluster1" },
			want: []found{{"meshwright:clusters[0].controlPlane", NotPrimary}, {"meshwright:clusters[1].controlPlane", NotPrimary}},
		},
		"zone without region":      {edit: func(c *Config) { c.Clusters[0].Locality.Region = "" }, want: []found{{"meshwright:clusters[0].locality.region", Missing}}},
		"subzone without zone":     {edit: func(c *Config) { c.Clusters[0].Locality.Zone = "" }, want: []found{{"meshwright:clusters[0].locality.zone", Missing}}},
		"region with slash":        {edit: func(c *Config) { c.Clusters[0].Locality.Region = "eu/west" }, want: []found{{"meshwright:clusters[0].locality.region", Malformed}}},
		"negative workers":         {edit: func(c *Config) { c.Clusters[0].Workers = -1 }, want: []found{{"meshwright:clusters[0].workers", OutOfBounds}}},
		"too many workers":         {edit: func(c *Config) { c.Clusters[0].Workers = 17 }, want: []found{{"meshwright:clusters[0].workers", OutOfBounds}}},
		"pod subnet is no CIDR":    {edit: func(c *Config) { c.Clusters[0].PodSubnet = "10.0.0.0" }, want: []found{{"meshwright:clusters[0].podSubnet", Malformed}}},
		"pod subnet has host bits": {edit: func(c *Config) { c.Clusters[0].PodSubnet = "10.0.0.1/16" }, want: []found{{"meshwright:clusters[0].podSubnet", Malformed}}},
		"pod subnet is IPv6":       {edit: func(c *Config) { c.Clusters[0].PodSubnet = "fd00::/64" }, want: []found{{"meshwright:clusters[0].podSubnet", Malformed}}},
		"pod subnet too small for nodes": {
			edit: func(c *Config) { c.Clusters[0].PodSubnet, c.Clusters[0].Workers = "10.30.0.0/23", 2 },
			want: []found{{"meshwright:clusters[0].podSubnet", TooSmall}},
		},
		"service subnet too large": {edit: func(c *Config) { c.Clusters[0].ServiceSubnet = "10.0.0.0/8" }, want: []found{{"meshwright:clusters[0].serviceSubnet", OutOfBounds}}},
		"service subnet too small": {edit: func(c *Config) { c.Clusters[0].ServiceSubnet = "10.0.0.0/28" }, want: []found{{"meshwright:clusters[0].serviceSubnet", TooSmall}}},
		"pods overlap services": {
			edit: func(c *Config) { c.Clusters[0].ServiceSubnet = "10.10.128.0/20" }, want: []found{{"meshwright:clusters[0].serviceSubnet", Overlap}},
		},
		"pods overlap on one network": {
			edit: func(c *Config) { c.Clusters[1].Network, c.Clusters[1].PodSubnet = "network1", "10.10.0.0/16" },
			want: []found{{"meshwright:clusters[1].podSubnet", Overlap}},
		},
		"pods overlap the Docker network": {
			edit: func(c *Config) { c.Subnet = "10.11.0.0/16" }, want: []found{{"meshwright:clusters[1].podSubnet", Overlap}},
		},
		"Docker network is no CIDR":  {edit: func(c *Config) { c.Subnet = "default" }, want: []found{{"meshwright:subnet", Malformed}}},
		"Docker network of loopback": {edit: func(c *Config) { c.Subnet = "127.0.0.0/16" }, want: []found{{"meshwright:subnet", Reserved}}},
		"pods of link-local":         {edit: func(c *Config) { c.Clusters[0].PodSubnet = "169.254.0.0/16" }, want: []found{{"meshwright:clusters[0].podSubnet", Reserved}}},
		"pods around link-local":     {edit: func(c *Config) { c.Clusters[0].PodSubnet = "169.0.0.0/8" }, want: []found{{"meshwright:clusters[0].podSubnet", Reserved}}},
		"services of multicast":      {edit: func(c *Config) { c.Clusters[0].ServiceSubnet = "224.16.0.0/12" }, want: []found{{"meshwright:clusters[0].serviceSubnet", Reserved}}},
		"unspecified pods":           {edit: func(c *Config) { c.Clusters[1].PodSubnet = "0.0.0.0/8" }, want: []found{{"meshwright:clusters[1].podSubnet", Reserved}}},
		"Docker network of class E":  {edit: func(c *Config) { c.Subnet = "240.1.0.0/16" }, want: []found{{"meshwright:subnet", Reserved}}},
		"Docker network too small":   {edit: func(c *Config) { c.Subnet = "10.200.0.0/25" }, want: []found{{"meshwright:subnet", TooSmall}}},
		"address pools run out":      {edit: func(c *Config) { c.Subnet = "10.200.0.0/24"; many(c, 5) }, want: []found{{"meshwright:subnet", TooSmall}}},
		"too many clusters":          {edit: func(c *Config) { many(c, 65) }, want: []found{{"meshwright:clusters", TooMany}}},
		"mesh ID in capitals":        {edit: func(c *Config) { c.MeshID = "Mesh" }, want: []found{{"meshwright:meshID", Malformed}}},
		"unknown artifacts":          {edit: func(c *Config) { c.Artifacts = "internet" }, want: []found{{"meshwright:artifacts", Unknown}}},
		"unknown version":            {edit: func(c *Config) { c.Clusters[0].HelloWorld = []string{"v3"} }, want: []found{{"meshwright:clusters[0].helloworld[0]", Unknown}}},
		"version twice":              {edit: func(c *Config) { c.Clusters[0].HelloWorld = []string{"v1", "v1"} }, want: []found{{"meshwright:clusters[0].helloworld[1]", Duplicate}}},
		"reserved namespace":         {edit: func(c *Config) { c.Sample.Namespace = "istio-system" }, want: []found{{"meshwright:sample.namespace", Reserved}}},
		"unknown traffic mode":       {edit: func(c *Config) { c.Traffic.Mode = "roulette" }, want: []found{{"meshwright:traffic.mode", Unknown}}},
		"lab in capitals":            {lab: "Dev", want: []found{{"stack name", Malformed}}},
		"lab with a dot":             {lab: "my.lab", want: []found{{"stack name", Malformed}}},
		"two mistakes, both told":    {edit: func(c *Config) { c.MeshID, c.Artifacts = "Mesh", "internet" }, want: []found{{"meshwright:meshID", Malformed}, {"meshwright:artifacts", Unknown}}},
		"sample off, still checked":  {edit: func(c *Config) { c.Sample = Sample{Enabled: &off, Namespace: "a b"} }, want: []found{{"meshwright:sample.namespace", Malformed}}},
		"same pods on two networks":  {edit: func(c *Config) { c.Clusters[1].PodSubnet = "10.10.0.0/16" }},
		"the article":                {},
		"remote on the same network": {edit: func(c *Config) { c.Clusters[1].Network, c.Clusters[1].ControlPlane = "network1", "cluster1" }},
	} {
		t.Run(name, func(t *testing.T) {
			c, lab := article(), test.lab
			if test.edit != nil {
				test.edit(c)
			}
			if lab == "" {
				lab = "dev"
			}
			expectProblems(t, lab, c, test.want)
		})
	}
}

// many makes a flat mesh of n clusters.
func many(c *Config, n int) {
	c.Clusters = nil
	for i := range n {
		c.Clusters = append(c.Clusters, ClusterConfig{Cluster: topology.Cluster{Name: fmt.Sprintf("c%d", i), Network: "n"}})
	}
}

func TestDecode(t *testing.T) {
	lookup := func(values map[string]string) Lookup {
		return func(key string) (string, bool) { v, ok := values[key]; return v, ok }
	}
	t.Run("every key", func(t *testing.T) {
		got, err := Decode(lookup(map[string]string{
			"clusters":  `[{"name":"a","network":"n","workers":1,"locality":{"region":"r"},"helloworld":["v1"]},{"name":"b","network":"n","controlPlane":"a"}]`,
			"meshID":    "m",
			"subnet":    "10.200.0.0/20",
			"artifacts": "airgap",
			"sample":    `{"enabled":false}`,
			"traffic":   `{"mode":"distribute","weights":[{"from":"r","to":{"r":60,"s":40}}]}`,
		}))
		if err != nil {
			t.Fatal(err)
		}
		off := false
		want := &Config{
			Clusters: []ClusterConfig{
				{Cluster: topology.Cluster{Name: "a", Network: "n", ControlPlane: "a", Locality: topology.Locality{Region: "r"}}, Workers: 1, HelloWorld: []string{"v1"}},
				{Cluster: topology.Cluster{Name: "b", Network: "n", ControlPlane: "a"}},
			},
			MeshID: "m", Subnet: "10.200.0.0/20", Artifacts: "airgap",
			Sample: Sample{Enabled: &off, Namespace: "sample"}, Traffic: Traffic{
				Mode: topology.Distribute, Profile: topology.ZeroLoss,
				Weights: []RegionWeights{{From: "r", To: map[string]int{"r": 60, "s": 40}}},
			},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
	for name, bad := range map[string]struct{ key, value string }{
		"misspelled field":      {"clusters", `[{"name":"a","netwrok":"n"}]`},
		"not a list":            {"clusters", `{"name":"a"}`},
		"number for text":       {"clusters", `[{"name":1}]`},
		"trailing text":         {"clusters", `[]{}`},
		"misspelled weights":    {"traffic", `{"mode":"distribute","weigths":[]}`},
		"part of a percent":     {"traffic", `{"weights":[{"from":"a","to":{"a":0.5}}]}`},
		"misspelled from":       {"traffic", `{"failover":[{"form":"a","to":"b"}]}`},
		"failover to a map":     {"traffic", `{"failover":[{"from":"a","to":{"b":100}}]}`},
		"weights as one object": {"traffic", `{"weights":{"from":"a"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode(lookup(map[string]string{bad.key: bad.value}))
			if err == nil || !strings.Contains(err.Error(), "meshwright:"+bad.key) {
				t.Errorf("got %v, want an error that names the key", err)
			}
		})
	}
}
