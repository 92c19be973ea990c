package verify

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/mesh/topology"
)

func TestPower(t *testing.T) {
	cases := map[string]struct{ hosts, versions, requests int }{
		"one version on one host": {1, 1, 1},
		"the article's two":       {2, 2, 51},
		"three regions":           {3, 3, 127},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := powerOf(c.hosts, c.versions)
			if p.Requests != c.requests {
				t.Errorf("n = %d, want %d", p.Requests, c.requests)
			}
			if p.FalseAlarm > falseAlarm {
				t.Errorf("false alarm %g", p.FalseAlarm)
			}
			fewer := float64(c.versions) * math.Pow(1-p.MinShare, float64(p.Requests-1))
			if p.Requests > 1 && fewer <= falseAlarm {
				t.Errorf("n is not the least: n-1 gives %g", fewer)
			}
		})
	}
}

// TestLeastRequestFloor plays the algorithm that powerOf rests on, against an
// adversary who keeps one host always the busier: it is still drawn with
// 1/hosts².
func TestLeastRequestFloor(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, hosts := range []int{2, 3, 5} {
		const n = 200_000
		drawn := 0
		for range n {
			first, second := r.IntN(hosts), r.IntN(hosts)
			if first == 0 && second == 0 {
				drawn++
			}
		}
		p := powerOf(hosts, hosts).MinShare
		sigma := math.Sqrt(p * (1 - p) / n)
		if got := float64(drawn) / n; math.Abs(got-p) > 6*sigma {
			t.Errorf("%d hosts: share %g, derived %g", hosts, got, p)
		}
	}
}

func TestChoices(t *testing.T) {
	cases := map[string]struct {
		networks []string
		versions [][]string
		want     int
	}{
		"two networks, one version each":     {[]string{"n1", "n2"}, [][]string{{"v2"}, {"v1"}}, 2},
		"one network":                        {[]string{"n1", "n1"}, [][]string{{"v2"}, {"v1"}}, 2},
		"two versions behind a gateway":      {[]string{"n1", "n2"}, [][]string{{"v2"}, {"v1", "v3"}}, 4},
		"three networks":                     {[]string{"n1", "n2", "n3"}, [][]string{{"v1"}, {"v2"}, {"v3"}}, 3},
		"a cluster that serves nothing":      {[]string{"n1", "n2"}, [][]string{{"v1"}, nil}, 1},
		"no version anywhere is still a one": {[]string{"n1"}, [][]string{nil}, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := &session{workload: mesh.Workload{Versions: map[string][]string{}}}
			for i, n := range c.networks {
				id := string(rune('a' + i))
				m.members = append(m.members, &mesh.Member{Cluster: mesh.Cluster{Cluster: topology.Cluster{Name: id, Network: n}}})
				m.workload.Versions[id] = c.versions[i]
			}
			if got := m.choices(); got != c.want {
				t.Errorf("choices %d, want %d", got, c.want)
			}
		})
	}
}
