package kind

import (
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/testkit/golden"
)

func parseConfig(t *testing.T, text string) v1alpha4.Cluster {
	t.Helper()
	var c v1alpha4.Cluster
	if err := yaml.UnmarshalStrict([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRenderConfig(t *testing.T) {
	tests := map[string]struct {
		in cluster
		v1 bool
	}{
		"minimal": {cluster{Name: "lab-c1", Image: "node:1"}, false},
		"full": {cluster{
			Name: "lab-c1", Image: "node:1", PodSubnet: "10.10.0.0/16", ServiceSubnet: "10.110.0.0/16",
			Nodes: []node{
				{Role: controlPlane, Labels: map[string]string{"topology.kubernetes.io/region": "r1"}},
				{Role: worker},
			},
			KubeadmConfigPatches: []string{"kind: ClusterConfiguration\n"},
		}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := renderConfig(tt.in, "/state/labs/lab/owner", tt.v1)
			if err != nil {
				t.Fatal(err)
			}
			golden.Compare(t, "testdata/"+name+".yaml", got)
		})
	}
}

func TestRewriteKubeconfig(t *testing.T) {
	text, err := rewriteKubeconfig([]byte(adminConf), "https://127.0.0.1:7", "cluster1")
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if config.Host != "https://127.0.0.1:7" || string(config.KeyData) != "key" {
		t.Errorf("host %s", config.Host)
	}
	raw, _ := clientcmd.Load([]byte(text))
	if raw.CurrentContext != "cluster1" || len(raw.Contexts) != 1 || strings.Contains(text, "kubernetes-admin@") {
		t.Errorf("contexts: %v", raw.Contexts)
	}
}
