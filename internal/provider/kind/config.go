package kind

import (
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/docker/mark"
)

// cgroupV1Patch: kubelet 1.35 and later refuse cgroup v1 unless told otherwise.
// It depends on the machine, so it is no input of the resource.
const cgroupV1Patch = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
`

// renderConfig returns the cluster as kind's configuration, in YAML. ownerDir
// is the host's directory to mount into every node.
func renderConfig(in cluster, ownerDir string, cgroupV1 bool) ([]byte, error) {
	in = in.withDefaults()
	config := v1alpha4.Cluster{
		TypeMeta: v1alpha4.TypeMeta{Kind: "Cluster", APIVersion: "kind.x-k8s.io/v1alpha4"},
		Name:     in.Name,
		Networking: v1alpha4.Networking{
			// Never anything but this machine's own loopback.
			APIServerAddress: "127.0.0.1",
			PodSubnet:        in.PodSubnet,
			ServiceSubnet:    in.ServiceSubnet,
		},
		KubeadmConfigPatches: in.KubeadmConfigPatches,
	}
	if cgroupV1 {
		config.KubeadmConfigPatches = append([]string{cgroupV1Patch}, config.KubeadmConfigPatches...)
	}
	for _, n := range in.Nodes {
		config.Nodes = append(config.Nodes, v1alpha4.Node{
			Role:        v1alpha4.NodeRole(n.Role),
			Image:       in.Image,
			Labels:      n.Labels,
			ExtraMounts: []v1alpha4.Mount{{HostPath: ownerDir, ContainerPath: mark.OwnerMount, Readonly: true}},
		})
	}
	return yaml.Marshal(config)
}
