package fault

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
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
	plan: func(ctx context.Context, s *Subject, r *Record) error {
		d, err := s.member(r.Cluster).only(ctx, eastWest)
		if err != nil {
			return err
		}
		replicas := int32(1)
		if d.Spec.Replicas != nil {
			replicas = *d.Spec.Replicas
		}
		return r.remember(gateway{d.Name, replicas}, "deployment "+system+"/"+d.Name)
	},
	inject: func(ctx context.Context, s *Subject, r *Record) error {
		g, err := former[gateway](r)
		if err != nil {
			return err
		}
		m := s.member(r.Cluster)
		if err := m.scale(ctx, g.Deployment, 0); err != nil {
			return err
		}
		// Force the pod's end: its grace would only drain connections for longer.
		return m.restart(ctx, system, eastWest)
	},
	restore: func(ctx context.Context, s *Subject, r *Record) error {
		g, err := former[gateway](r)
		if err != nil {
			return err
		}
		m := s.member(r.Cluster)
		return errors.Join(m.scale(ctx, g.Deployment, g.Replicas), m.rolledOut(ctx, system, eastWest))
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
