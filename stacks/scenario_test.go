package stacks

import (
	"strings"
	"testing"

	"github.com/meshwright/meshwright/mesh/topology"
)

// TestScenario deploys beside a primary with one version and its remote with none.
func TestScenario(t *testing.T) {
	clusters := []ClusterOutputs{
		{Cluster: topology.Cluster{Name: "cluster1", ControlPlane: "cluster1"}, HelloWorld: []string{"v1"}, Kubeconfig: leak + "1"},
		{Cluster: topology.Cluster{Name: "cluster2", ControlPlane: "cluster1"}, Kubeconfig: leak + "2"},
	}
	r := graphFrom(t, ScenarioProgram(testArtifacts(), clusters, Scenario{
		Name: "failover", Namespace: "meshwright-failover", Labels: map[string]string{"scenario": "failover"},
		Host: "failover.example", MTLS: "STRICT", Outsiders: true,
		Traffic: topology.Rule{Mode: topology.Failover, Profile: topology.Article, Failover: map[string]string{"a": "b"}},
	}), nil)
	compareGraph(t, "scenario", r)
	if len(r.plain) > 0 {
		t.Errorf("private material that is no secret: %v", r.plain)
	}
	// A component's children go with what it goes with; the engine sees to that.
	goes := map[string]string{}
	for _, s := range r.seen {
		goes[s.Name] = s.DeletedWith
	}
	for _, s := range r.seen {
		if !strings.HasPrefix(s.Type, "kubernetes:") {
			continue
		}
		cluster, _, _ := strings.Cut(s.Name, "-")
		if s.Provider != cluster+"-kubernetes" {
			t.Errorf("%s goes through %q", s.Name, s.Provider)
		}
		namespace := cluster + "-sample-namespace"
		if s.Name != namespace && s.DeletedWith != namespace && goes[s.Parent] != namespace {
			t.Errorf("%s does not go with its namespace", s.Name)
		}
		if cluster == "cluster2" && strings.Contains(s.Type, "istio.io") {
			t.Errorf("%s: a remote has no configuration of its own", s.Name)
		}
	}
}
