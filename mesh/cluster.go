package mesh

import (
	"k8s.io/client-go/rest"

	"github.com/meshwright/meshwright/mesh/topology"
)

// Cluster is one cluster of a running mesh: what it is, and how to connect to it.
type Cluster struct {
	topology.Cluster
	Config *rest.Config

	// IngressAddress and EastWestAddress are the planned load-balancer
	// addresses. An empty one means that the cluster has no such gateway.
	IngressAddress  string
	EastWestAddress string
	Nodes           []string // their names
}
