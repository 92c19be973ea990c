// Command kindnet gives the pods of a kind cluster their network: it writes the
// node's CNI configuration from the pod range that the cluster assigned to the
// node, keeps one route to the pod range of every other node, and masquerades
// what pods send out of the pod network.
//
// It stands in for kind's own daemon of that name, which is not published as a Go
// module. Differences: IPv4 only, no network policies, and a list of further
// destinations that are not masqueraded, read from a directory of the node that
// may change at any time: on a flat multi-cluster network the peer clusters must see
// pods under their own addresses.
//
// Environment: NODE_NAME, POD_SUBNET (the cluster's pod range; may be a
// comma-separated list).
package main

import (
	"context"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	cniFile = "/etc/cni/net.d/10-kindnet.conflist"
	// directDir holds files of one CIDR a line; see destinations.
	directDir = "/etc/kindnet/no-masquerade.d"
	// period bounds how long a changed node or list goes unnoticed when no
	// event says so.
	period = 5 * time.Second
)

func main() {
	log.SetFlags(log.LstdFlags | log.Lmsgprefix)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	name := os.Getenv("NODE_NAME")
	if name == "" {
		log.Fatal("NODE_NAME is not set")
	}
	api, err := inCluster()
	if err != nil {
		log.Fatal(err)
	}
	var last string
	wait := time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		state, err := reconcile(ctx, api, name, strings.Split(os.Getenv("POD_SUBNET"), ","))
		wait = period
		switch {
		case err != nil:
			log.Print(err)
			wait = 500 * time.Millisecond
		case state != last:
			log.Print(state)
			last = state
		}
	}
}

// reconcile makes the node's files, routes and rules what the cluster's nodes
// call for, and describes them in one line.
func reconcile(ctx context.Context, api *client, name string, podSubnets []string) (string, error) {
	nodes, err := api.nodes(ctx)
	if err != nil {
		return "", err
	}
	self, routes, err := plan(nodes, name)
	if err != nil {
		return "", err
	}
	// Rules before the configuration: once that is there, pods start.
	direct, err := destinations(directDir, podSubnets)
	if err != nil {
		return "", err
	}
	if err := masquerade(ctx, podSubnets, direct); err != nil {
		return "", err
	}
	for _, r := range routes {
		if err := run(ctx, "ip", "route", "replace", r.to, "via", r.via); err != nil {
			return "", err
		}
	}
	if err := writeCNI(cniFile, self); err != nil {
		return "", err
	}
	via := make([]string, len(routes))
	for i, r := range routes {
		via[i] = r.to + " via " + r.via
	}
	slices.Sort(via)
	return "pods " + self + "; routes [" + strings.Join(via, ", ") + "]; direct [" + strings.Join(direct, ", ") + "]", nil
}
