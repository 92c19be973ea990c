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
	steps: remembering[map[string]string]{ // regions by node
		Was: func(ctx context.Context, _ *Subject, at *member) (map[string]string, []string, error) {
			list, err := at.Kubernetes.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: corev1.LabelTopologyRegion})
			if err != nil {
				return nil, nil, at.failed(err, "nodes")
			}
			if len(list.Items) == 0 {
				return nil, nil, fmt.Errorf("%s: no node has a region", at.Name)
			}
			regions, objects := map[string]string{}, []string{}
			for _, n := range list.Items {
				regions[n.Name] = n.Labels[corev1.LabelTopologyRegion]
				objects = append(objects, "node "+n.Name)
			}
			return regions, objects, nil
		},
		Inject:  labelNodes(func(string) any { return nil }),
		Restore: labelNodes(func(region string) any { return region }),
	},
}

func labelNodes(value func(region string) any) step[map[string]string] {
	return func(ctx context.Context, _ *Subject, at *member, regions map[string]string) error {
		for node, region := range regions {
			patch, err := labelPatch(corev1.LabelTopologyRegion, value(region))
			if err != nil {
				return err
			}
			if _, err := at.Kubernetes.CoreV1().Nodes().Patch(ctx, node, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
				return at.failed(err, "node "+node)
			}
		}
		return nil
	}
}
