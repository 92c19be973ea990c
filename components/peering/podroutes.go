package peering

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/internal/component"
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
	script := installRoutes(args)
	for _, node := range args.Nodes {
		_, err := local.NewCommand(ctx, name+"-"+node, &local.CommandArgs{
			Create:   pulumi.String(inNode(node)),
			Stdin:    pulumi.String(script),
			Triggers: pulumi.Array{args.ClusterID},
		}, pulumi.Parent(r))
		if err != nil {
			return nil, err
		}
	}
	component.Outputs(ctx, r, pulumi.Map{})
	return r, nil
}

// inNode runs the script on standard input inside a node. Where setup has started
// the daemon, it is not at the place where docker looks by itself.
func inNode(node string) string {
	return fmt.Sprintf(`if [ -z "${DOCKER_HOST:-}" ] && [ -S /run/meshwright/docker.sock ] && ! docker version >/dev/null 2>&1; then
  export DOCKER_HOST=unix:///run/meshwright/docker.sock
fi
exec docker exec -i %s sh -eu`, node)
}

// installRoutes is a script that installs and starts the service, or makes it take
// up a changed list of peers. The service asks for the peers' addresses again and
// again, because nodes may swap theirs when they restart, and puts an exception
// before the node's masquerading: a peer's proxies must see who calls.
func installRoutes(args *PodRoutesArgs) string {
	var peers, direct strings.Builder
	for _, p := range args.Peers {
		fmt.Fprintf(&peers, "%s %s\n", p.Gateway, p.PodSubnet)
		fmt.Fprintf(&direct, "%s\n", p.PodSubnet)
	}
	return fmt.Sprintf(`mkdir -p /etc/meshwright-routes /etc/kindnet/no-masquerade.d
cat > /etc/meshwright-routes/peers <<'END'
%[1]sEND
cat > /etc/kindnet/no-masquerade.d/meshwright <<'END'
%[2]sEND
cat > /usr/local/bin/meshwright-routes <<'END'
#!/bin/sh
# Keeps routes to the pods of peer clusters; see /etc/meshwright-routes/peers.
while :; do
  while read -r node pods; do
    address=$(getent ahostsv4 "$node" | awk 'NR == 1 { print $1 }')
    [ -n "$address" ] && ip route replace "$pods" via "$address"
    iptables -w -t nat -C POSTROUTING -s %[3]s -d "$pods" -j ACCEPT 2>/dev/null ||
      iptables -w -t nat -I POSTROUTING -s %[3]s -d "$pods" -j ACCEPT
  done < /etc/meshwright-routes/peers
  sleep 2
done
END
chmod 755 /usr/local/bin/meshwright-routes
cat > /etc/systemd/system/meshwright-routes.service <<'END'
[Unit]
Description=Routes to the pods of peer clusters
After=network.target
[Service]
ExecStart=/usr/local/bin/meshwright-routes
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
systemctl enable --quiet meshwright-routes.service
systemctl restart meshwright-routes.service
`, peers.String(), direct.String(), args.PodSubnet)
}
