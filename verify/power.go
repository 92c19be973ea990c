package verify

import (
	"maps"
	"math"
	"slices"

	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/mesh/topology"
)

// falseAlarm is the probability with which a healthy mesh may fail one
// client's call check because a version happened not to be drawn.
const falseAlarm = 1e-6

// Power states how many requests a call check makes and why.
//
// Envoy's LEAST_REQUEST picks the less busy of two hosts that it draws at
// random, with replacement. However slow a host is, both draws fall on it with
// probability 1/hosts², so each version is drawn with at least that
// probability per request, independently of what the other requests do. The
// chance that one of k versions is missed in n requests is at most
// k(1-p)ⁿ (union bound); n is the least that brings it under falseAlarm.
type Power struct {
	Hosts      int     `json:"hosts"`      // endpoints among which a proxy chooses
	Versions   int     `json:"versions"`   // k
	MinShare   float64 `json:"minShare"`   // p
	Requests   int     `json:"requests"`   // n, per client
	FalseAlarm float64 `json:"falseAlarm"` // k(1-p)ⁿ for that n, per client
}

// powerOf derives n for k versions on that many hosts.
func powerOf(hosts, versions int) Power {
	p := Power{Hosts: hosts, Versions: versions, Requests: 1}
	if hosts < 1 || versions < 1 {
		return p
	}
	return p.atLeast(1 / float64(hosts*hosts))
}

// atLeast derives n for the least share, unless it needs fewer requests than p has.
func (p Power) atLeast(share float64) Power {
	n := 1
	if share < 1 {
		n = int(math.Ceil(math.Log(falseAlarm/float64(p.Versions)) / math.Log1p(-share)))
	}
	if n < p.Requests {
		return p
	}
	p.MinShare, p.Requests = share, n
	p.FalseAlarm = float64(p.Versions) * math.Pow(1-share, float64(n))
	return p
}

// withRequests is the power of n requests.
func (p Power) withRequests(n int) Power {
	p.Requests = n
	p.FalseAlarm = float64(p.Versions) * math.Pow(1-p.MinShare, float64(n))
	return p
}

// expected lists the versions that must answer a client in c, sorted: all of
// them, unless the rule for traffic keeps some regions out of its reach.
func (m *session) expected(c *mesh.Member) []string {
	reach := m.reach(c)
	seen := map[string]bool{}
	for _, peer := range m.members {
		if reach == nil || reach[peer.Region] > 0 {
			for _, v := range m.workload.Versions[peer.Name] {
				seen[v] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// reach is the percentage of a client's requests for each region; nil when no
// rule says so.
func (m *session) reach(c *mesh.Member) map[string]int {
	switch rule := m.workload.Traffic; rule.Mode {
	case topology.Distribute:
		return rule.Weights[c.Region]
	case topology.Failover:
		for _, peer := range m.members {
			if peer.Region == c.Region && len(m.workload.Versions[peer.Name]) > 0 {
				return map[string]int{c.Region: 100}
			}
		}
		return map[string]int{rule.Failover[c.Region]: 100}
	}
	return nil
}

// powerFor is the power of the requests of a client in c.
func (m *session) powerFor(c *mesh.Member) Power { return m.powerToSee(c, len(m.expected(c))) }

// powerToSee is the power of a client's requests that are to show n groups of hosts.
func (m *session) powerToSee(c *mesh.Member, n int) Power {
	p := powerOf(m.choices(), n)
	for _, percent := range m.reach(c) {
		if percent > 0 && percent < 100 {
			// The region is drawn first, then the host.
			p = p.atLeast(float64(percent) / 100 * p.MinShare)
		}
	}
	return p
}

// choices bounds among how many hosts a request is spread: the pods of the
// client's network and one gateway per other cluster, times the versions
// behind the busiest gateway, which chooses once more.
func (m *session) choices() int {
	most := 1
	for _, c := range m.members {
		hosts, behind := 0, 1
		for _, peer := range m.members {
			n := len(m.workload.Versions[peer.Name])
			switch {
			case n == 0:
			case peer.Network == c.Network:
				hosts += n
			default:
				hosts++
				behind = max(behind, n)
			}
		}
		most = max(most, hosts*behind)
	}
	return most
}
