package peering

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/internal/component"
	"github.com/meshwright/meshwright/internal/nodeservice"
)

// PodRoutes lets pods of a cluster reach those of its peers on one flat network
// directly: a service in each node keeps a route to each peer's pods.
type PodRoutes struct {
	pulumi.ResourceState
}

// PodRoutesArgs describes a cluster's routes to its peers.
type PodRoutesArgs struct {
	// Nodes are the names of the cluster's nodes, PodSubnet is their pods' CIDR.
	Nodes     []string
	PodSubnet string
	Peers     []Peer
	// ClusterID changes when the cluster is made anew, and its nodes know nothing.
	ClusterID pulumi.StringInput
}

// Peer is another cluster on the same network.
type Peer struct {
	// Gateway is the name of the node through which its pods are reached: its
	// control plane, which knows on which of its nodes each pod is.
	Gateway   string
	PodSubnet string
}

// NewPodRoutes registers the routes. opts must bring the command provider, whose
// environment must let the docker command find the daemon.
func NewPodRoutes(ctx *pulumi.Context, name string, args *PodRoutesArgs, opts ...pulumi.ResourceOption) (*PodRoutes, error) {
	r := &PodRoutes{}
	if err := ctx.RegisterComponentResource("meshwright:peering:PodRoutes", name, r, opts...); err != nil {
		return nil, err
	}
	for _, node := range args.Nodes {
		if _, err := nodeservice.New(ctx, name+"-"+node, routeKeeper(node, args), pulumi.Parent(r)); err != nil {
			return nil, err
		}
	}
	component.Outputs(ctx, r, pulumi.Map{})
	return r, nil
}

// routeKeeper is the service in a node. It asks for the peers' addresses again and
// again, because nodes may swap theirs when they restart, and puts an exception
// before the node's masquerading: a peer's proxies must see who calls.
func routeKeeper(node string, args *PodRoutesArgs) *nodeservice.Args {
	var peers, direct strings.Builder
	for _, p := range args.Peers {
		fmt.Fprintf(&peers, "%s %s\n", p.Gateway, p.PodSubnet)
		fmt.Fprintf(&direct, "%s\n", p.PodSubnet)
	}
	return &nodeservice.Args{
		Node: node, Service: "meshwright-routes", Description: "Routes to the pods of peer clusters",
		Files: map[string]string{
			"/etc/meshwright-routes.peers": peers.String(),
			// For the airgap kit's kindnet.
			"/etc/kindnet/no-masquerade.d/meshwright": direct.String(),
		},
		Script: fmt.Sprintf(`#!/bin/sh
# Keeps routes to the pods of peer clusters; see /etc/meshwright-routes.peers.
while :; do
  while read -r node pods; do
    address=$(getent ahostsv4 "$node" | awk 'NR == 1 { print $1 }')
    [ -n "$address" ] && ip route replace "$pods" via "$address"
    iptables -w -t nat -C POSTROUTING -s %[1]s -d "$pods" -j ACCEPT 2>/dev/null ||
      iptables -w -t nat -I POSTROUTING -s %[1]s -d "$pods" -j ACCEPT
  done < /etc/meshwright-routes.peers
  sleep 2
done
`, args.PodSubnet),
		Triggers: pulumi.Array{args.ClusterID},
	}
}
