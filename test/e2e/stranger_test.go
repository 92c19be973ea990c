package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// stranger is a kind cluster that somebody else made, under the very name that a
// lab called "stranger" would give its first cluster.
type stranger struct {
	h          *harness
	lab, name  string
	kubeconfig string
}

func newStranger(t *testing.T, h *harness) *stranger {
	t.Helper()
	s := &stranger{h: h, lab: "stranger", name: "stranger-cluster1", kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	config := filepath.Join(t.TempDir(), "kind.yaml")
	if err := os.WriteFile(config, []byte(`kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
kubeadmConfigPatches:
  - |
    kind: KubeletConfiguration
    apiVersion: kubelet.config.k8s.io/v1beta1
    failCgroupV1: false
`), 0o600); err != nil {
		t.Fatal(err)
	}
	network := []string{"KIND_EXPERIMENTAL_DOCKER_NETWORK=meshwright-e2e-stranger"}
	h.dockerOutput(t, "network", "create", "meshwright-e2e-stranger")
	t.Cleanup(func() { h.cleanup(t, "network", "rm", "meshwright-e2e-stranger") })
	t.Cleanup(func() { h.cleanup(t, "rm", "-fv", s.name+"-control-plane") })
	h.tool(t, network, "kind", "create", "cluster", "--name", s.name, "--image", h.set.NodeImage.Name,
		"--config", config, "--kubeconfig", s.kubeconfig)
	h.tool(t, nil, "kubectl", "--kubeconfig", s.kubeconfig, "create", "configmap", "mine", "--from-literal=touched=never")
	return s
}

// fingerprint is everything about the cluster that must not change: container,
// network, and the object that its owner put into it.
func (s *stranger) fingerprint(t *testing.T) map[string]any {
	t.Helper()
	var containers []struct {
		ID, Created     string
		State           struct{ StartedAt string }
		Config          map[string]any
		HostConfig      map[string]any
		NetworkSettings map[string]any
	}
	if err := json.Unmarshal([]byte(s.h.dockerOutput(t, "inspect", s.name+"-control-plane")), &containers); err != nil {
		t.Fatal(err)
	}
	return map[string]any{
		"container":  containers[0],
		"network":    s.h.dockerOutput(t, "network", "inspect", "meshwright-e2e-stranger"),
		"configmap":  s.h.tool(t, nil, "kubectl", "--kubeconfig", s.kubeconfig, "get", "configmap", "mine", "-o", "yaml"),
		"namespaces": s.h.tool(t, nil, "kubectl", "--kubeconfig", s.kubeconfig, "get", "namespaces", "-o", "name"),
	}
}
