package automation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/meshwright/meshwright/components/loadbalancer"
	"github.com/meshwright/meshwright/mesh"
)

// each looks at every cluster at the same time, and joins what it sees in their order.
func (w *waiter) each(members []*mesh.Member, look func(context.Context, *mesh.Member) state) func(context.Context) state {
	return func(ctx context.Context) state {
		ctx, cancel := context.WithTimeout(ctx, w.deadlines.Request)
		defer cancel()
		seen := make([]state, len(members))
		var wg sync.WaitGroup
		for i, m := range members {
			wg.Go(func() { seen[i] = look(ctx, m) })
		}
		wg.Wait()
		var all state
		for i, s := range seen {
			for _, text := range s.missing {
				all.missing = append(all.missing, members[i].Name+": "+text)
			}
			for _, text := range s.drift {
				all.drift = append(all.drift, members[i].Name+": "+text)
			}
		}
		return all
	}
}

// apiServer asks whether the API server is ready. One that is not lists its parts, the
// missing ones as "[-]name failed: reason".
func apiServer(ctx context.Context, m *mesh.Member) state {
	body, err := m.Kubernetes.Discovery().RESTClient().Get().AbsPath("/readyz").MaxRetries(0).Do(ctx).Raw()
	if err == nil {
		return state{}
	}
	for line := range strings.Lines(string(body)) {
		if part, ok := strings.CutPrefix(line, "[-]"); ok {
			part, _, _ = strings.Cut(part, " ")
			return state{missing: []string{"the API server is not ready: " + part}}
		}
	}
	return state{missing: []string{fmt.Sprintf("the API server does not answer: %v", err)}}
}

// workloads are nodes that are not ready and rollouts that are not complete, in the
// namespaces of the lab and of Kubernetes itself. What the user deployed elsewhere is
// the user's.
func workloads(ctx context.Context, m *mesh.Member, w mesh.Workload) state {
	var out state
	unknown := func(err error) state {
		return state{missing: append(out.missing, fmt.Sprintf("cannot be asked: %v", err))}
	}
	nodes, err := m.Nodes(ctx)
	if err != nil {
		return unknown(err)
	}
	out.missing = append(out.missing, nodesNotReady(nodes, m.Cluster.Nodes)...)
	namespaces := []string{metav1.NamespaceSystem, loadbalancer.Namespace, mesh.SystemNamespace}
	if !w.Empty() {
		namespaces = append(namespaces, w.Namespace)
	}
	var deployments []appsv1.Deployment
	for _, ns := range namespaces {
		sets, err := m.Kubernetes.AppsV1().DaemonSets(ns).List(ctx, metav1.ListOptions{})
		if err != nil {
			return unknown(err)
		}
		for _, d := range sets.Items {
			if why := mesh.NotEverywhere(&d); why != "" {
				out.missing = append(out.missing, fmt.Sprintf("daemon set %s/%s: %s%s", ns, d.Name, why, m.Waiting(ctx, ns, d.Spec.Selector)))
			}
		}
		list, err := m.Deployments(ctx, ns, "")
		if err != nil {
			return unknown(err)
		}
		for _, d := range list {
			if why := m.Rollout(ctx, &d); why != "" {
				out.missing = append(out.missing, fmt.Sprintf("deployment %s/%s: %s", ns, d.Name, why))
			}
			if mesh.Replicas(&d) == 0 {
				out.drift = append(out.drift, fmt.Sprintf("deployment %s/%s is scaled to 0", ns, d.Name))
			}
		}
		deployments = append(deployments, list...)
	}
	out.drift = append(out.drift, absent(m.Cluster, w, deployments)...)
	return out
}

func nodesNotReady(nodes []corev1.Node, want []string) []string {
	var out []string
	for _, name := range want {
		i := slices.IndexFunc(nodes, func(n corev1.Node) bool { return n.Name == name })
		if i < 0 {
			out = append(out, fmt.Sprintf("node %s has not joined", name))
			continue
		}
		for _, c := range nodes[i].Status.Conditions {
			if c.Type == corev1.NodeReady && c.Status != corev1.ConditionTrue {
				out = append(out, fmt.Sprintf("node %s is not ready: %s: %s", name, c.Reason, c.Message))
			}
		}
	}
	return out
}

// absent are the deployments that the lab has and the cluster has not: no wait brings
// them back.
func absent(c mesh.Cluster, w mesh.Workload, have []appsv1.Deployment) []string {
	type expected struct{ what, namespace, selector string }
	var all []expected
	if c.Primary() {
		all = append(all, expected{"istiod", mesh.SystemNamespace, mesh.IstiodSelector})
	}
	if c.IngressAddress != "" {
		all = append(all, expected{"the ingress gateway", mesh.SystemNamespace, mesh.IngressSelector})
	}
	if c.EastWestAddress != "" {
		all = append(all, expected{"the east-west gateway", mesh.SystemNamespace, mesh.EastWestSelector})
	}
	if !w.Empty() {
		all = append(all, expected{"the client of the sample", w.Namespace, w.Clients()})
		for _, v := range w.Versions[c.Name] {
			all = append(all, expected{"version " + v + " of the sample", w.Namespace, "app=" + w.Service + ",version=" + v})
		}
	}
	var out []string
	for _, e := range all {
		selector, err := labels.Parse(e.selector)
		if err != nil {
			continue // a selector of the user's that this cannot read proves nothing
		}
		if !slices.ContainsFunc(have, func(d appsv1.Deployment) bool {
			return d.Namespace == e.namespace && selector.Matches(labels.Set(d.Spec.Template.Labels))
		}) {
			out = append(out, fmt.Sprintf("the deployment of %s is missing in namespace %s", e.what, e.namespace))
		}
	}
	return out
}
