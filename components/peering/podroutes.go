package peering

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/internal/component"
	"github.com/meshwright/meshwright/internal/component/nodeservice"
)

// PodRoutes connects the pods of a cluster to those of its peers on one flat network: a
// service in each node maintains a route to each peer's pods.
type PodRoutes struct {
	pulumi.ResourceState
}

// PodRoutesArgs describes a cluster's routes to its peers.
type PodRoutesArgs struct {
	// Nodes are the names of the cluster's nodes, PodSubnet is their pods' CIDR.
	Nodes     []string
	PodSubnet string
	Peers     []Peer
	// ClusterID changes when the cluster is recreated, and its nodes have no routes.
	ClusterID pulumi.StringInput
}

// Peer is another cluster on the same network.
type Peer struct {
	// Gateway is the name of the node that forwards to the peer's pods: its control
	// plane node, which has routes to the pods of its other nodes.
	Gateway   string
	PodSubnet string
}

// NewPodRoutes registers the routes. opts must bring the command provider, in whose
// environment the docker command must find the daemon. The routes to a peer are removed
// when the peer is removed from the list or the component is deleted.
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

// routeKeeper is the service in a node. It resolves the peers' addresses repeatedly,
// because nodes may swap addresses when they restart. It exempts traffic to peers from
// the node's masquerading, because a peer's proxies must see the client's address. It
// recognizes its own routes by their protocol, a number that no other daemon uses
// (/etc/iproute2/rt_protos), and its own rules by their chain.
func routeKeeper(node string, args *PodRoutesArgs) *nodeservice.Args {
	var peers, direct, nat strings.Builder
	for _, p := range args.Peers {
		fmt.Fprintf(&peers, "%s %s\n", p.Gateway, p.PodSubnet)
		fmt.Fprintf(&direct, "%s\n", p.PodSubnet)
		fmt.Fprintf(&nat, "-A MESHWRIGHT-ROUTES -d %s -j ACCEPT\n", p.PodSubnet)
	}
	jump := fmt.Sprintf("POSTROUTING -s %s -j MESHWRIGHT-ROUTES", args.PodSubnet)
	return &nodeservice.Args{
		Node: node, Service: "meshwright-routes", Description: "Routes to the pods of peer clusters",
		Files: map[string]string{
			"/etc/meshwright-routes.peers": peers.String(),
			// For iptables-restore, which replaces the chain in one step.
			"/etc/meshwright-routes.nat": "*nat\n:MESHWRIGHT-ROUTES - [0:0]\n" + nat.String() + "COMMIT\n",
			// For the airgap kit's kindnet.
			"/etc/kindnet/no-masquerade.d/meshwright": direct.String(),
		},
		Script: fmt.Sprintf(`#!/bin/sh
# Keeps routes to the pods of the peer clusters in /etc/meshwright-routes.peers, and
# no others; their callers keep their own addresses, by /etc/meshwright-routes.nat.
except() { iptables-restore -w --noflush < /etc/meshwright-routes.nat; }
except
ip route show proto 77 | while read -r pods _; do
  grep -q " $pods\$" /etc/meshwright-routes.peers || ip route del "$pods" proto 77
done
while :; do
  iptables -w -t nat -C %[1]s 2>/dev/null || { except && iptables -w -t nat -I %[1]s; }
  while read -r node pods; do
    address=$(getent ahostsv4 "$node" | awk 'NR == 1 { print $1 }')
    [ -n "$address" ] && ip route replace "$pods" via "$address" proto 77
  done < /etc/meshwright-routes.peers
  sleep 2
done
`, jump),
		// A chain with a jump to it cannot be deleted.
		Undo: fmt.Sprintf(`ip route flush proto 77
if iptables -w -t nat -S MESHWRIGHT-ROUTES >/dev/null 2>&1; then
  iptables -w -t nat -D %s || :
  iptables -w -t nat -F MESHWRIGHT-ROUTES
  iptables -w -t nat -X MESHWRIGHT-ROUTES
fi
`, jump),
		Triggers: pulumi.Array{args.ClusterID},
	}
}
