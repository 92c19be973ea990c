package peering

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/internal/component"
	"github.com/meshwright/meshwright/internal/component/nodeservice"
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
// environment must let the docker command find the daemon. A peer that is taken from
// the list loses its routes, and all go when the component does.
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
// before the node's masquerading: a peer's proxies must see who calls. What is the
// service's it can tell: its routes by their protocol, a number of no other daemon's
// (/etc/iproute2/rt_protos), its exceptions by their chain.
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
		// The chain cannot go while there is a jump to it.
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
