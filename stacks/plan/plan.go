package plan

import (
	"hash/fnv"
	"net/netip"
	"slices"
	"strconv"

	"github.com/meshwright/meshwright/mesh/topology"
)

// Labels that the plan puts on nodes, and Istio reads localities from.
const (
	RegionLabel  = "topology.kubernetes.io/region"
	ZoneLabel    = "topology.kubernetes.io/zone"
	SubzoneLabel = "topology.istio.io/subzone"
)

// Plan is everything about a lab that can be known before it exists.
type Plan struct {
	Lab       string
	MeshID    string
	Artifacts string
	// Subnet is the Docker network. Its lower half, NodeRange, is for nodes, its
	// upper half for load-balancer addresses.
	Subnet    netip.Prefix
	NodeRange netip.Prefix
	// Clusters in the configuration's order.
	Clusters []Member
	// Sample is nil when it is switched off.
	Sample *SamplePlan
}

// Member is the plan of one cluster.
type Member struct {
	Name string
	// KindName is "<lab>-<name>": what kind and Docker call the cluster.
	KindName string
	Network  string
	// ControlPlane is the primary that serves the cluster; its own name if it is one.
	ControlPlane string
	Locality     Locality
	Nodes        []Node

	PodSubnet     netip.Prefix
	ServiceSubnet netip.Prefix
	AddressPool   AddressRange
	// IngressAddress is always planned; EastWestAddress is used if EastWest is set.
	IngressAddress  netip.Addr
	EastWestAddress netip.Addr
	// APIServer is the URL at which other clusters reach this one's API server: a
	// name that Docker's DNS resolves, so that it outlives a change of address.
	APIServer string

	// EastWest says that a network gateway stands here: other networks come in
	// through it, or remotes reach this primary's istiod through it.
	EastWest bool
	// ServesRemotes says that remotes use this primary's istiod.
	ServesRemotes bool
	// WatchedBy lists the primaries that hold a remote secret for this cluster.
	WatchedBy []string
	// FlatPeers lists the other clusters on the same network.
	FlatPeers []string
	// HelloWorld lists the versions of the sample that run here.
	HelloWorld []string
}

// Primary says whether the cluster runs its own control plane.
func (m *Member) Primary() bool { return m.ControlPlane == m.Name }

// Node is one node of a cluster.
type Node struct {
	// Name is kind's, and the container's.
	Name string
	// Role is "control-plane" or "worker", as kind writes them.
	Role   string
	Labels map[string]string
}

// SamplePlan is the plan of the helloworld application.
type SamplePlan struct {
	Namespace string
	// Traffic has a rule for every region, whatever the configuration leaves out; it
	// is zero for mode none.
	Traffic Rule
}

// Rule is how requests are spread over regions, settled for each of them.
type Rule = topology.Rule

// NewPlan validates the configuration for a lab of that name and plans it. The
// same input gives the same plan, always. An error is an *InvalidError.
func NewPlan(lab string, c *Config) (*Plan, error) {
	c = c.withDefaults()
	if err := c.Validate(lab); err != nil {
		return nil, err
	}
	return plan(lab, c), nil
}

// plan lays out a configuration whose every field is known to parse.
func plan(lab string, c *Config) *Plan {
	p := &Plan{Lab: lab, MeshID: c.MeshID, Artifacts: c.Artifacts, Subnet: labSubnet(lab, c.Subnet)}
	p.NodeRange, _ = halves(p.Subnet)
	for i, cluster := range c.Clusters {
		p.Clusters = append(p.Clusters, member(p, i, cluster))
	}
	relate(p.Clusters)
	if c.Sample.On() {
		p.Sample = &SamplePlan{Namespace: c.Sample.Namespace, Traffic: c.Traffic.resolve(regionsOf(c.Clusters))}
	}
	return p
}

// member plans what a cluster is on its own.
func member(p *Plan, i int, c Cluster) Member {
	m := Member{
		Name: c.Name, KindName: kindName(p.Lab, c.Name), Network: c.Network,
		ControlPlane: c.ControlPlane, Locality: c.Locality, HelloWorld: c.HelloWorld,
		PodSubnet:     prefixOr(c.PodSubnet, defaultPodSubnet(i)),
		ServiceSubnet: prefixOr(c.ServiceSubnet, defaultServiceSubnet(i)),
		APIServer:     "https://" + controlPlaneNode(p.Lab, c.Name) + ":6443",
	}
	m.AddressPool = poolSlice(p.Subnet, i)
	m.IngressAddress = m.AddressPool.First
	m.EastWestAddress = m.AddressPool.First.Next()
	for n := range 1 + c.Workers {
		node := Node{Name: controlPlaneNode(p.Lab, c.Name), Role: "control-plane", Labels: c.Locality.labels()}
		if n > 0 {
			node.Name, node.Role = workerNode(p.Lab, c.Name, n), "worker"
		}
		m.Nodes = append(m.Nodes, node)
	}
	return m
}

// relate plans what the clusters are to each other.
//
// Every primary watches every other cluster: its own remotes because it serves
// them, the others because their endpoints answer for its services too.
func relate(members []Member) {
	networks := map[string][]string{}
	for _, m := range members {
		networks[m.Network] = append(networks[m.Network], m.Name)
	}
	for i := range members {
		m := &members[i]
		for _, other := range members {
			if other.Name == m.Name {
				continue
			}
			if other.Primary() {
				m.WatchedBy = append(m.WatchedBy, other.Name)
			}
			if other.Network == m.Network {
				m.FlatPeers = append(m.FlatPeers, other.Name)
			}
			if other.ControlPlane == m.Name {
				m.ServesRemotes = true
			}
		}
		m.EastWest = len(networks) > 1 || m.ServesRemotes
	}
}

// Member finds a cluster of the plan by name; nil when there is none.
func (p *Plan) Member(name string) *Member {
	i := slices.IndexFunc(p.Clusters, func(m Member) bool { return m.Name == name })
	if i < 0 {
		return nil
	}
	return &p.Clusters[i]
}

// Networks is how many networks the mesh spans.
func (p *Plan) Networks() int {
	names := map[string]bool{}
	for _, m := range p.Clusters {
		names[m.Network] = true
	}
	return len(names)
}

// Flat says whether any clusters share a network.
func (p *Plan) Flat() bool {
	return slices.ContainsFunc(p.Clusters, func(m Member) bool { return len(m.FlatPeers) > 0 })
}

func (l Locality) labels() map[string]string {
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

// workerNode is kind's name of the n-th worker, counted from one.
func workerNode(lab, cluster string, n int) string {
	name := kindName(lab, cluster) + "-worker"
	if n > 1 {
		name += strconv.Itoa(n)
	}
	return name
}

// labSubnet is the configured subnet, or one of the 512 /20s of 10.192.0.0/11
// picked by the lab's name: two labs side by side seldom collide, and the same lab
// has the same addresses on every machine.
func labSubnet(lab, configured string) netip.Prefix {
	h := fnv.New32a()
	_, _ = h.Write([]byte(lab)) // never fails, by its documentation
	n := h.Sum32() % 512
	return prefixOr(configured, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(192 + n/16), byte(n % 16 * 16), 0}), 20))
}
