package fault

import (
	"context"
	"errors"
)

// routeBetweenNetworks joins two networks by hand, in one direction: answers come
// back by the address of the node, which masquerades.
var routeBetweenNetworks = Fault{
	Name:  "route-between-networks",
	Title: "a node has a route to the pods of another network",
	Needs: []Need{Apart, Nodes},
	at:    firstOf(false),
	steps: remembering[[]podRoute]{
		Was: routesOf(false),
		Inject: func(ctx context.Context, s *Subject, at *member, routes []podRoute) error {
			for _, route := range routes {
				if err := s.onNodes(ctx, at, "ip", "route", "add", route.Pods, "via", route.Via); err != nil {
					return err
				}
			}
			return nil
		},
		Restore: func(ctx context.Context, s *Subject, at *member, routes []podRoute) error {
			var errs []error
			for _, route := range routes {
				// A route that is gone is what is wanted.
				remove := "ip route del " + route.Pods + " 2>/dev/null || ! ip route show exact " + route.Pods + " | grep -q ."
				errs = append(errs, s.onNodes(ctx, at, "sh", "-c", remove))
			}
			return errors.Join(errs...)
		},
	},
}
