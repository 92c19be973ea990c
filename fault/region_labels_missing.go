package fault

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// regionLabelsMissing removes the region from the victim's nodes: pods that start
// from now on have none.
var regionLabelsMissing = Fault{
	Name:  "region-labels-missing",
	Title: "a cluster's nodes have no region",
	Needs: []Need{TwoPrimaries},
	at:    (*Subject).victim,
	plan: func(ctx context.Context, s *Subject, r *Record) error {
		list, err := s.victim().Kubernetes.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: corev1.LabelTopologyRegion})
		if err != nil {
			return s.victim().failed(err, "nodes")
		}
		if len(list.Items) == 0 {
			return fmt.Errorf("%s: no node has a region", r.Cluster)
		}
		regions, objects := map[string]string{}, []string{}
		for _, n := range list.Items {
			regions[n.Name] = n.Labels[corev1.LabelTopologyRegion]
			objects = append(objects, "node "+n.Name)
		}
		return r.remember(regions, objects...)
	},
	inject: func(ctx context.Context, s *Subject, r *Record) error {
		return s.member(r.Cluster).labelNodes(ctx, r, func(string) any { return nil })
	},
	restore: func(ctx context.Context, s *Subject, r *Record) error {
		return s.member(r.Cluster).labelNodes(ctx, r, func(region string) any { return region })
	},
}

func (m *member) labelNodes(ctx context.Context, r *Record, value func(region string) any) error {
	regions, err := former[map[string]string](r)
	if err != nil {
		return err
	}
	for node, region := range regions {
		patch, err := labelPatch(corev1.LabelTopologyRegion, value(region))
		if err != nil {
			return err
		}
		if _, err := m.Kubernetes.CoreV1().Nodes().Patch(ctx, node, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			return m.failed(err, "node "+node)
		}
	}
	return nil
}
