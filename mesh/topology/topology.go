package topology

import "slices"

// Cluster is one cluster of a mesh.
type Cluster struct {
	// Name is Istio's clusterName and the kubeconfig context.
	Name string `json:"name" jsonschema:"maxLength=40"`
	// Network is the flat network of the cluster's pods (topology.istio.io/network).
	// Pods of clusters on the same network reach each other directly.
	Network string `json:"network"`
	// ControlPlane is the cluster whose istiod serves this one. Its own name, the
	// default, makes the cluster a primary; another primary's name makes it a remote.
	ControlPlane string `json:"controlPlane,omitempty"`
	// Locality is where the cluster's nodes are.
	Locality `json:"locality,omitzero" jsonschema:"description=Locality labels the nodes of the cluster."`
}

// Primary reports whether the cluster runs its own control plane.
func (c Cluster) Primary() bool { return c.ControlPlane == c.Name }

// Locality is the region, zone and subzone that Istio reads from a node's labels.
type Locality struct {
	Region  string `json:"region,omitempty"`
	Zone    string `json:"zone,omitempty"`
	Subzone string `json:"subzone,omitempty"`
}

// Topology is the clusters of one mesh. Its methods keep their order, and take and
// return clusters by name.
type Topology []Cluster

// Primaries returns the clusters that run a control plane.
func (t Topology) Primaries() []string { return t.names(Cluster.Primary) }

// Remotes returns the other clusters that a primary's control plane serves.
func (t Topology) Remotes(primary string) []string {
	return t.names(func(c Cluster) bool { return c.ControlPlane == primary && c.Name != primary })
}

// Watchers returns the primaries that hold a remote secret for a cluster. Every
// primary watches every other cluster, because endpoints anywhere in the mesh answer
// for its services.
func (t Topology) Watchers(cluster string) []string {
	return t.names(func(c Cluster) bool { return c.Primary() && c.Name != cluster })
}

// Peers returns the other clusters on a cluster's network.
func (t Topology) Peers(cluster string) []string {
	at := slices.IndexFunc(t, func(c Cluster) bool { return c.Name == cluster })
	if at < 0 {
		return nil
	}
	return t.names(func(c Cluster) bool { return c.Network == t[at].Network && c.Name != cluster })
}

// Networks returns the networks that the mesh spans.
func (t Topology) Networks() []string {
	var networks []string
	for _, c := range t {
		if !slices.Contains(networks, c.Network) {
			networks = append(networks, c.Network)
		}
	}
	return networks
}

// Flat reports whether any clusters share a network.
func (t Topology) Flat() bool { return len(t.Networks()) < len(t) }

// EastWest reports whether a cluster needs an east-west gateway: pods of other
// networks reach its pods through it, and remotes reach its istiod.
func (t Topology) EastWest(cluster string) bool {
	return len(t.Networks()) > 1 || len(t.Remotes(cluster)) > 0
}

func (t Topology) names(match func(Cluster) bool) []string {
	var names []string
	for _, c := range t {
		if match(c) {
			names = append(names, c.Name)
		}
	}
	return names
}
