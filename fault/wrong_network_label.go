package fault

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/meshwright/meshwright/mesh"
)

// wrongNetworkLabel makes istiod treat the victim's server pods as pods of the
// witness's network. The label is the pods': injection sets it there, where it
// overrules the one of namespace istio-system.
var wrongNetworkLabel = Fault{
	Name:  "wrong-network-label",
	Title: "a workload's pods are labelled with another cluster's network",
	Needs: []Need{TwoPrimaries, TwoNetworks},
	at:    (*Subject).victim,
	steps: remembering[string]{
		Was: func(_ context.Context, s *Subject, at *member) (string, []string, error) {
			return at.Network, []string{"pods of service " + s.Workload.Namespace + "/" + s.Workload.Service}, nil
		},
		Inject: func(ctx context.Context, s *Subject, at *member, _ string) error {
			return at.labelServers(ctx, s, s.witness().Network)
		},
		Restore: func(ctx context.Context, s *Subject, at *member, network string) error {
			return at.labelServers(ctx, s, network)
		},
	},
}

// labelServers sets the network of the workload's pods. They may have been replaced
// since the fault was prepared.
func (m *member) labelServers(ctx context.Context, s *Subject, network string) error {
	pods, err := m.Servers(ctx, s.Workload)
	if err != nil {
		return m.failed(err, "pods of "+s.Workload.Service)
	}
	if len(pods) == 0 {
		return fmt.Errorf("%s: no pods of %s", m.Name, s.Workload.Service)
	}
	patch, err := labelPatch(mesh.NetworkLabel, network)
	if err != nil {
		return err
	}
	for _, p := range pods {
		_, err := m.Kubernetes.CoreV1().Pods(p.Namespace).Patch(ctx, p.Name, types.MergePatchType, patch, metav1.PatchOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return m.failed(err, "pod "+p.Name)
		}
	}
	return nil
}

// labelPatch is a merge patch that sets a label, or removes it when value is nil.
func labelPatch(key string, value any) ([]byte, error) {
	return json.Marshal(map[string]any{"metadata": map[string]any{"labels": map[string]any{key: value}}})
}
