package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podRoute is a route to the pods of one node.
type podRoute struct {
	Pods string `json:"pods"` // CIDR
	Via  string `json:"via"`  // the node's address
}

// podRoutes are the routes to the pods of a cluster, by node.
func (m *member) podRoutes(ctx context.Context) ([]podRoute, error) {
	nodes, err := m.Kubernetes.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, m.failed(err, "nodes")
	}
	var out []podRoute
	for _, n := range nodes.Items {
		for _, a := range n.Status.Addresses {
			if a.Type == corev1.NodeInternalIP && n.Spec.PodCIDR != "" && !strings.Contains(a.Address, ":") {
				out = append(out, podRoute{Pods: n.Spec.PodCIDR, Via: a.Address})
				break
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no node has a pod range and an address", m.Name)
	}
	return out, nil
}

// onNodes runs a command on every node of a cluster.
func (s *Subject) onNodes(ctx context.Context, m *member, argv ...string) error {
	if s.NodeExec == nil {
		return errors.New(Nodes.Unmet(s))
	}
	var errs []error
	for _, node := range m.Cluster.Nodes {
		if out, err := s.NodeExec(ctx, node, argv...); err != nil {
			errs = append(errs, fmt.Errorf("node %s: %s: %w: %s", node, strings.Join(argv, " "), err, out))
		}
	}
	return errors.Join(errs...)
}

// routesOf reads the routes from the nodes of a cluster to the pods of another.
func routesOf(near bool) func(context.Context, *Subject, *member) ([]podRoute, []string, error) {
	return func(ctx context.Context, s *Subject, at *member) ([]podRoute, []string, error) {
		_, to := s.pair(near)
		routes, err := to.podRoutes(ctx)
		var objects []string
		for _, node := range at.Cluster.Nodes {
			objects = append(objects, "node "+node)
		}
		return routes, objects, err
	}
}

// firstOf is the cluster of a pair on whose nodes a fault is injected.
func firstOf(near bool) func(*Subject) *member {
	return func(s *Subject) *member {
		from, _ := s.pair(near)
		return from
	}
}

// routeKeeper is the unit on the nodes that puts missing routes back.
const routeKeeper = "meshwright-routes.service"
