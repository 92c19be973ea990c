package plan

import (
	"net/netip"
	"slices"
	"strconv"

	"github.com/meshwright/meshwright/internal/slots"
	"github.com/meshwright/meshwright/mesh/topology"
)

// Labels of nodes from which Istio reads localities.
const (
	RegionLabel  = "topology.kubernetes.io/region"
	ZoneLabel    = "topology.kubernetes.io/zone"
	SubzoneLabel = "topology.istio.io/subzone"
)

// Plan is everything about a lab that is known before it exists.
type Plan struct {
	Lab       string
	MeshID    string
	Artifacts string
	// Subnet is the Docker network. Its lower half, NodeRange, is for nodes, its
	// upper half for load-balancer addresses.
	Subnet    netip.Prefix
	NodeRange netip.Prefix
	// Clusters in the configuration's order.
	Clusters []Cluster
	// SampleNamespace is the namespace of the helloworld application; empty if the
	// sample is off.
	SampleNamespace string
	// Traffic is the sample's rule with an entry for each region; zero if traffic has
	// mode none or the sample is off.
	Traffic topology.Rule
}

// Cluster is the plan of one cluster.
type Cluster struct {
	topology.Cluster
	// KindName is "<lab>-<name>", the cluster's name in kind and Docker.
	KindName string
	Nodes    []Node

	PodSubnet     netip.Prefix
	ServiceSubnet netip.Prefix
	// AddressPool is for services of type LoadBalancer other than the gateways.
	AddressPool AddressRange
	// IngressAddress and EastWestAddress are the gateways' addresses. Both are always
	// planned; the topology says whether there is an east-west gateway.
	IngressAddress  netip.Addr
	EastWestAddress netip.Addr
	// APIServer is the URL at which other clusters reach this one's API server. Its
	// host is a name that Docker's DNS resolves, so it outlives a change of address.
	APIServer string
	// HelloWorld lists the versions of the sample that run in the cluster.
	HelloWorld []string
}

// Node is one node of a cluster.
type Node struct {
	// Name is the name in kind and the container's name.
	Name string
	// Role is kind's: "control-plane" or "worker".
	Role   string
	Labels map[string]string
}

// NewPlan validates the configuration and plans a lab of that name. held are the slots
// that the lab's clusters have; nil for a new lab. The same input always gives the same
// plan. An error is an *InvalidError.
func NewPlan(lab string, c *Config, held Slots) (*Plan, error) {
	c = c.withDefaults()
	if err := c.Validate(lab); err != nil {
		return nil, err
	}
	p := plan(lab, c, slots.Assign(held, c.Names(), c.Capacity()))
	if problems := overlaps(p); len(problems) > 0 {
		return nil, &InvalidError{Problems: problems}
	}
	return p, nil
}

// plan plans a configuration that is valid as far as every field parses. A cluster
// without a slot has only the ranges that are configured.
func plan(lab string, c *Config, held Slots) *Plan {
	p := &Plan{Lab: lab, MeshID: c.MeshID, Artifacts: c.Artifacts, Subnet: labSubnet(lab, c.Subnet)}
	p.NodeRange, _ = halves(p.Subnet)
	for _, cluster := range c.Clusters {
		p.Clusters = append(p.Clusters, planCluster(p, held, cluster))
	}
	if c.Sample.On() {
		p.SampleNamespace, p.Traffic = c.Sample.Namespace, c.Traffic.resolve(c.regions())
	}
	return p
}

func planCluster(p *Plan, held Slots, c ClusterConfig) Cluster {
	out := Cluster{
		Cluster: c.Cluster, KindName: kindName(p.Lab, c.Name), HelloWorld: c.HelloWorld,
		APIServer: "https://" + controlPlaneNode(p.Lab, c.Name) + ":6443",
	}
	var pods, services netip.Prefix
	if slot, ok := held[c.Name]; ok {
		pods, services = defaultPodSubnet(slot), defaultServiceSubnet(slot)
		pool := poolSlice(p.Subnet, slot)
		out.IngressAddress, out.EastWestAddress = pool.First, pool.First.Next()
		out.AddressPool = AddressRange{First: out.EastWestAddress.Next(), Last: pool.Last}
	}
	out.PodSubnet, out.ServiceSubnet = prefixOr(c.PodSubnet, pods), prefixOr(c.ServiceSubnet, services)
	for n := range 1 + c.Workers {
		node := Node{Name: controlPlaneNode(p.Lab, c.Name), Role: "control-plane", Labels: nodeLabels(c.Locality)}
		if n > 0 {
			node.Name, node.Role = workerNode(p.Lab, c.Name, n), "worker"
		}
		out.Nodes = append(out.Nodes, node)
	}
	return out
}

// Topology returns the clusters as a mesh.
func (p *Plan) Topology() topology.Topology {
	var t topology.Topology
	for _, c := range p.Clusters {
		t = append(t, c.Cluster)
	}
	return t
}

// Cluster returns the cluster of that name, or nil.
func (p *Plan) Cluster(name string) *Cluster {
	i := slices.IndexFunc(p.Clusters, func(c Cluster) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &p.Clusters[i]
}

func nodeLabels(l topology.Locality) map[string]string {
	labels := map[string]string{}
	for key, value := range map[string]string{RegionLabel: l.Region, ZoneLabel: l.Zone, SubzoneLabel: l.Subzone} {
		if value != "" {
			labels[key] = value
		}
	}
	return labels
}

func kindName(lab, cluster string) string         { return lab + "-" + cluster }
func controlPlaneNode(lab, cluster string) string { return kindName(lab, cluster) + "-control-plane" }

// workerNode is kind's name for the n-th worker, counted from one.
func workerNode(lab, cluster string, n int) string {
	name := kindName(lab, cluster) + "-worker"
	if n > 1 {
		name += strconv.Itoa(n)
	}
	return name
}
