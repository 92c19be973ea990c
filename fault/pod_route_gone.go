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
	steps: remembering[[]podRoute]{
		Was: routesOf(true),
		Inject: func(ctx context.Context, s *Subject, at *member, routes []podRoute) error {
			if err := s.onNodes(ctx, at, "systemctl", "stop", routeKeeper); err != nil {
				return err
			}
			for _, route := range routes {
				// The keeper's route is to the whole cluster, of which the node's range is a part.
				drop := "ip route show to match " + strings.SplitN(route.Pods, "/", 2)[0] +
					" | awk '$1 != \"default\" {print $1}' | while read -r pods; do ip route del \"$pods\"; done"
				if err := s.onNodes(ctx, at, "sh", "-euc", drop); err != nil {
					return err
				}
			}
			return nil
		},
		Restore: func(ctx context.Context, s *Subject, at *member, _ []podRoute) error {
			return s.onNodes(ctx, at, "systemctl", "start", routeKeeper)
		},
	},
}
