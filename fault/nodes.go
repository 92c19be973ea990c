package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podRoute is a way to the pods of one node.
type podRoute struct{ pods, via string }

// podRoutes are the ways to the pods of a cluster, by node.
func (s *site) podRoutes(ctx context.Context) ([]podRoute, error) {
	nodes, err := s.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	var out []podRoute
	for _, n := range nodes.Items {
		for _, a := range n.Status.Addresses {
			if a.Type == corev1.NodeInternalIP && n.Spec.PodCIDR != "" && !strings.Contains(a.Address, ":") {
				out = append(out, podRoute{pods: n.Spec.PodCIDR, via: a.Address})
				break
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no node has a pod range and an address", s.Name)
	}
	return out, nil
}

// onNodes runs a command on every node of a cluster.
func (l *lab) onNodes(ctx context.Context, s *site, argv ...string) error {
	var errs []error
	for _, node := range s.Nodes {
		if out, err := l.nodeExec(ctx, node, argv...); err != nil {
			errs = append(errs, fmt.Errorf("node %s: %s: %w: %s", node, strings.Join(argv, " "), err, out))
		}
	}
	return errors.Join(errs...)
}

// routeBetweenNetworks joins two networks by hand, in one direction: answers come
// back by the address of the node, which masquerades.
func routeBetweenNetworks(ctx context.Context, l *lab) (repair, error) {
	from, to := l.pair(false)
	routes, err := to.podRoutes(ctx)
	if err != nil {
		return nil, err
	}
	undo := func(ctx context.Context) error {
		var errs []error
		for _, r := range routes {
			// A route that is gone is what is wanted.
			errs = append(errs, l.onNodes(ctx, from, "sh", "-c", "ip route del "+r.pods+" 2>/dev/null || ! ip route show exact "+r.pods+" | grep -q ."))
		}
		return errors.Join(errs...)
	}
	for _, r := range routes {
		if err := l.onNodes(ctx, from, "ip", "route", "add", r.pods, "via", r.via); err != nil {
			return undo, err
		}
	}
	return undo, nil
}

// routeKeeper is the unit on the nodes that puts missing routes back.
const routeKeeper = "meshwright-routes.service"

// podRouteGone takes the routes to a neighbour's pods away, and first what would
// put them back.
func podRouteGone(ctx context.Context, l *lab) (repair, error) {
	from, to := l.pair(true)
	undo := func(ctx context.Context) error { return l.onNodes(ctx, from, "systemctl", "start", routeKeeper) }
	if err := l.onNodes(ctx, from, "systemctl", "stop", routeKeeper); err != nil {
		return undo, err
	}
	routes, err := to.podRoutes(ctx)
	if err != nil {
		return undo, err
	}
	for _, r := range routes {
		// The keeper's route is to the whole cluster, of which the node's range is a part.
		drop := "ip route show to match " + strings.SplitN(r.pods, "/", 2)[0] +
			" | awk '$1 != \"default\" {print $1}' | while read -r pods; do ip route del \"$pods\"; done"
		if err := l.onNodes(ctx, from, "sh", "-euc", drop); err != nil {
			return undo, err
		}
	}
	return undo, nil
}

// hideCallers takes away what keeps a node from masquerading: the chain of the service
// that keeps the routes, and the list of the airgap kit's kindnet, which rereads it
// every few seconds.
const hideCallers = `systemctl stop ` + routeKeeper + `
iptables -w -t nat -F MESHWRIGHT-ROUTES
mv /etc/kindnet/no-masquerade.d/meshwright /etc/kindnet/meshwright.away
while read -r pods; do
  n=0
  while iptables -w -t nat -S | grep -qFe "-d $pods "; do
    [ $((n += 1)) -le 60 ] || { echo "$pods is still excepted"; exit 1; }
    sleep 0.5
  done
done < /etc/kindnet/meshwright.away
`

// showCallers is the mend that check networks names, after the list is back.
const showCallers = `[ ! -e /etc/kindnet/meshwright.away ] || mv /etc/kindnet/meshwright.away /etc/kindnet/no-masquerade.d/meshwright
systemctl enable --quiet --now ` + routeKeeper + `
`

// callersMasqueraded has a cluster's nodes send its pods' calls to a neighbour under
// their own addresses. Connections keep the address with which they were made, so
// that the callers are renewed each time.
func callersMasqueraded(ctx context.Context, l *lab) (repair, error) {
	from, _ := l.pair(true)
	set := func(ctx context.Context, script string) error {
		if err := l.onNodes(ctx, from, "sh", "-euc", script); err != nil {
			return err
		}
		return from.renew(ctx, l.workload.Namespace, l.workload.Clients())
	}
	return func(ctx context.Context) error { return set(ctx, showCallers) }, set(ctx, hideCallers)
}
