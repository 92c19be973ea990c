package fault

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/meshwright/meshwright/mesh"
)

// eastWestGatewayGone scales the east-west gateway of another network to 0; its
// Service keeps the address.
var eastWestGatewayGone = Fault{
	Name:  "east-west-gateway-gone",
	Title: "the east-west gateway of another network is scaled to 0",
	Needs: []Need{OwnVersions},
	at: func(s *Subject) *member {
		_, victim := s.pair(false)
		return victim
	},
	steps: remembering[gateway]{
		Was: func(ctx context.Context, _ *Subject, at *member) (gateway, []string, error) {
			d, err := at.only(ctx, eastWest)
			if err != nil {
				return gateway{}, nil, err
			}
			return gateway{d.Name, mesh.Replicas(d)}, []string{"deployment " + system + "/" + d.Name}, nil
		},
		Inject: func(ctx context.Context, _ *Subject, at *member, was gateway) error {
			if err := at.scale(ctx, was.Deployment, 0); err != nil {
				return err
			}
			// Force the pod's end: its grace would only drain connections for longer.
			return at.restart(ctx, system, eastWest)
		},
		Restore: func(ctx context.Context, _ *Subject, at *member, was gateway) error {
			return errors.Join(at.scale(ctx, was.Deployment, was.Replicas), at.rolledOut(ctx, system, eastWest))
		},
	},
}

type gateway struct {
	Deployment string `json:"deployment"`
	Replicas   int32  `json:"replicas"`
}

func (m *member) scale(ctx context.Context, deployment string, replicas int32) error {
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
	_, err := m.Kubernetes.AppsV1().Deployments(system).Patch(ctx, deployment, types.MergePatchType, patch, metav1.PatchOptions{})
	return m.failed(err, "deployment "+deployment)
}
