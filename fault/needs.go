package fault

import "slices"

// Need is a condition on a mesh, such as a capability.
type Need struct {
	Name string
	// Unmet says why a mesh does not meet it, or "".
	Unmet func(*Subject) string
}

// NeedError says which need a mesh does not meet.
type NeedError struct{ Need, Why string }

func (e *NeedError) Error() string { return e.Why }

// Check returns a *NeedError for the first need that the subject does not meet.
func Check(s *Subject, needs []Need) error {
	for _, n := range needs {
		if why := n.Unmet(s); why != "" {
			return &NeedError{n.Name, why}
		}
	}
	return nil
}

// The needs of faults and drills.
var (
	// Nodes is the capability to run commands on the nodes.
	Nodes = Need{"Nodes", func(s *Subject) string { return unless(s.NodeExec != nil, "needs access to the nodes") }}

	TwoPrimaries = Need{"TwoPrimaries", func(s *Subject) string {
		return unless(s.victim() != nil, "needs two clusters with control planes of their own")
	}}
	TwoNetworks = Need{"TwoNetworks", func(s *Subject) string {
		v, w := s.victim(), s.witness()
		return unless(v != nil && v.Network != w.Network && v.EastWestAddress != "", "needs two networks with an east-west gateway")
	}}
	// Workload: there is something to call.
	Workload = Need{"Workload", func(s *Subject) string { return unless(!s.Workload.Empty(), "needs a workload to call") }}
	// OwnVersions: a check notices that the gateway is gone when it is the only way to
	// a version of the workload.
	OwnVersions = Need{"OwnVersions", func(s *Subject) string {
		_, b := s.pair(false)
		if b == nil || b.EastWestAddress == "" {
			return "needs two networks with an east-west gateway"
		}
		own := func(v string) bool { return slices.Contains(s.Workload.Versions[b.Name], v) }
		shared := slices.ContainsFunc(s.members(), func(m *member) bool {
			return m.Name != b.Name && slices.ContainsFunc(s.Workload.Versions[m.Name], own)
		})
		return unless(!shared, "needs a network with versions of its own")
	}}
	RemoteCluster = Need{"RemoteCluster", func(s *Subject) string {
		p := s.primaryOfRemote()
		return unless(p != nil && p.EastWestAddress != "", "needs a cluster under another's control plane")
	}}
	Apart = Need{"Apart", func(s *Subject) string {
		a, _ := s.pair(false)
		return unless(a != nil, "needs two clusters on different networks")
	}}
	Neighbours = Need{"Neighbours", func(s *Subject) string {
		a, _ := s.pair(true)
		return unless(a != nil, "needs two clusters on one network")
	}}
	// Regions: every cluster is in a region, and two of them serve the workload.
	Regions = Need{"Regions", func(s *Subject) string {
		served := map[string]bool{}
		for _, m := range s.Members {
			if m.Region == "" {
				return "needs regions: cluster " + m.Name + " has none; set its locality"
			}
			if len(s.Workload.Versions[m.Name]) > 0 {
				served[m.Region] = true
			}
		}
		return unless(len(served) > 1, "needs two regions that serve the workload")
	}}
)

func unless(met bool, why string) string {
	if met {
		return ""
	}
	return why
}
