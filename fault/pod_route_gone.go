package fault

import (
	"context"
	"strings"
)

// podRouteGone removes the routes to a neighbour's pods, after what would put them
// back.
var podRouteGone = Fault{
	Name:  "pod-route-gone",
	Title: "a node has no route to the pods of another cluster on its network",
	Needs: []Need{Neighbours, Nodes},
	at:    firstOf(true),
	plan:  nodesOf(true),
	inject: func(ctx context.Context, s *Subject, r *Record) error {
		from := s.member(r.Cluster)
		if err := s.onNodes(ctx, from, "systemctl", "stop", routeKeeper); err != nil {
			return err
		}
		routes, err := former[[]podRoute](r)
		if err != nil {
			return err
		}
		for _, route := range routes {
			// The keeper's route is to the whole cluster, of which the node's range is a part.
			drop := "ip route show to match " + strings.SplitN(route.Pods, "/", 2)[0] +
				" | awk '$1 != \"default\" {print $1}' | while read -r pods; do ip route del \"$pods\"; done"
			if err := s.onNodes(ctx, from, "sh", "-euc", drop); err != nil {
				return err
			}
		}
		return nil
	},
	restore: func(ctx context.Context, s *Subject, r *Record) error {
		return s.onNodes(ctx, s.member(r.Cluster), "systemctl", "start", routeKeeper)
	},
}
