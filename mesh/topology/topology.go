package topology

// Cluster is one member of a mesh.
type Cluster struct {
	// Name is Istio's clusterName.
	Name string `json:"name"`
	// Network is the flat network of its pods (topology.istio.io/network): clusters
	// that name the same one reach each other's pods directly.
	Network string `json:"network"`
	// ControlPlane is the cluster whose istiod serves this one; its own name makes it
	// a primary, another primary's name a remote.
	ControlPlane string `json:"controlPlane,omitempty"`
	// Locality is where its nodes are.
	Locality `json:"locality,omitzero"`
}

// Primary reports whether the cluster runs its own control plane.
func (c Cluster) Primary() bool { return c.ControlPlane == c.Name }

// Locality is a place, from the widest to the narrowest, as Istio reads it from a
// node's labels for regional load balancing.
type Locality struct {
	Region  string `json:"region,omitempty"`
	Zone    string `json:"zone,omitempty"`
	Subzone string `json:"subzone,omitempty"`
}
