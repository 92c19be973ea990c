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
	plan:  nodesOf(false),
	inject: func(ctx context.Context, s *Subject, r *Record) error {
		routes, err := former[[]podRoute](r)
		if err != nil {
			return err
		}
		for _, route := range routes {
			if err := s.onNodes(ctx, s.member(r.Cluster), "ip", "route", "add", route.Pods, "via", route.Via); err != nil {
				return err
			}
		}
		return nil
	},
	restore: func(ctx context.Context, s *Subject, r *Record) error {
		routes, err := former[[]podRoute](r)
		if err != nil {
			return err
		}
		var errs []error
		for _, route := range routes {
			// A route that is gone is what is wanted.
			remove := "ip route del " + route.Pods + " 2>/dev/null || ! ip route show exact " + route.Pods + " | grep -q ."
			errs = append(errs, s.onNodes(ctx, s.member(r.Cluster), "sh", "-c", remove))
		}
		return errors.Join(errs...)
	},
}
