package automation

import (
	"encoding/json"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/mesh/topology"
	"github.com/meshwright/meshwright/report"
)

// TestVerificationIsCollected: an archive of a mesh that does not answer holds what
// the checks say about it.
func TestVerificationIsCollected(t *testing.T) {
	silent := mesh.Cluster{Cluster: topology.Cluster{Name: "cluster1", ControlPlane: "cluster1"}, Config: &rest.Config{Host: "http://127.0.0.1:1"}}
	file := verification([]mesh.Cluster{silent}, mesh.Workload{})
	text, err := file.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var r report.Report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if file.Name != "verify.json" || r.Version != report.FormatVersion || r.Verdict != report.Fail {
		t.Errorf("%s: %s", file.Name, text)
	}
	if text, err := verification(nil, mesh.Workload{}).Read(t.Context()); err == nil {
		t.Errorf("no clusters, and a report: %s", text)
	}
}
