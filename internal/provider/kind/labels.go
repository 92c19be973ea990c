package kind

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// kubectl is the node's own, so that neither the host's nor its kubeconfig matters.
func kubectl(ctx context.Context, d daemon, control string, args ...string) ([]byte, error) {
	return d.Output(ctx, control, append([]string{"kubectl", "--kubeconfig=" + adminConfig}, args...)...)
}

// nodeLabels returns the labels of every node by name.
func nodeLabels(ctx context.Context, d daemon, control string) (map[string]map[string]string, error) {
	raw, err := kubectl(ctx, d, control, "--request-timeout=10s", "get", "nodes", "-o", "json")
	if err != nil {
		return nil, err
	}
	var list corev1.NodeList
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("nodes of the cluster: %w", err)
	}
	out := map[string]map[string]string{}
	for _, n := range list.Items {
		out[n.Name] = n.Labels
	}
	return out, nil
}

// labelArgs returns what `kubectl label` takes to get from old to new labels:
// every new one, since live ones may differ from old, and the removal of the rest.
func labelArgs(olds, news map[string]string) []string {
	var args []string
	for _, k := range slices.Sorted(maps.Keys(news)) {
		args = append(args, k+"="+news[k])
	}
	for _, k := range slices.Sorted(maps.Keys(olds)) {
		if _, ok := news[k]; !ok {
			args = append(args, k+"-")
		}
	}
	return args
}

// setLabels changes the labels of one node, and those with which its kubelet
// would register: a restarted kubelet puts region and zone back to them.
func setLabels(ctx context.Context, d daemon, control, node, container string, olds, news map[string]string) error {
	args := labelArgs(olds, news)
	if len(args) == 0 {
		return nil
	}
	if _, err := kubectl(ctx, d, control, append([]string{"--request-timeout=30s", "label", "--overwrite", "node", node}, args...)...); err != nil {
		return fmt.Errorf("label node %s: %w", node, err)
	}
	// Label keys and values hold none of the characters that sed or the quotes give a meaning.
	script := fmt.Sprintf(`s|--node-labels=[^ "]*|--node-labels=%s|`, strings.Join(labelArgs(nil, news), ","))
	if _, err := d.Output(ctx, container, "sed", "-i", script, "/var/lib/kubelet/kubeadm-flags.env"); err != nil {
		return fmt.Errorf("labels in the kubelet's flags of node %s: %w", node, err)
	}
	return nil
}
