package verify

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/drill"
	"github.com/meshwright/meshwright/load"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/mesh/topology"
)

// shape says who answers during a failover, by the part of the run (0 to 1).
type shape func(part float64) (region, failure string)

func clean(part float64) (string, string) {
	if part >= drill.Drain.Phases.Steady && part < drill.Drain.Phases.Steady+drill.Drain.Phases.Fault {
		return "region2", ""
	}
	return "region1", ""
}

// shaped sends records at the plan's pace.
func shaped(f *fakeMesh, s shape) func(*mesh.Member, string, load.Plan, func(load.Record)) error {
	return func(_ *mesh.Member, _ string, p load.Plan, on func(load.Record)) error {
		if p.Duration == load.WarmUp {
			return nil
		}
		start, n := time.Now(), p.Scheduled()
		old := f.clusters["cluster1"].server()
		time.Sleep(p.Duration)
		for i := range n {
			// In the middle of its slot, so that no record is sent at the very
			// moment of the fault.
			part := (float64(i) + 0.5) / float64(n)
			region, failure := s(part)
			r := load.Record{Seq: i, At: start.Add(time.Duration(part * float64(p.Duration))), Latency: time.Millisecond}
			if r.Error = failure; failure == "" {
				r.Status, r.Version, r.Instance = 200, "v", serverOf(region)
				if region == "region1" && part < drill.Drain.Phases.Steady+drill.Drain.Phases.Fault {
					r.Instance = old
				} else if region == "region1" {
					r.Instance = f.clusters["cluster1"].server()
				}
			}
			on(r)
		}
		return nil
	}
}

// server is the name of the helloworld pod that runs now.
func (f *fakeCluster) server() string {
	f.podsMu.Lock()
	defer f.podsMu.Unlock()
	for _, p := range f.pods {
		if p.Labels["app"] == "helloworld" {
			return p.Name
		}
	}
	return ""
}

// inBubble runs a subtest by a clock of its own, which stops while anything
// is done: what a busy machine takes its time for does not enter the figures.
func inBubble(t *testing.T, name string, f func(*testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

func TestFailover(t *testing.T) {
	cases := map[string]struct {
		shape   shape
		profile string
		want    []Reason
	}{
		"moves and comes back": {clean, topology.ZeroLoss, nil},
		"was never local": {func(part float64) (string, string) {
			if part < drill.Drain.Phases.Steady && int(part*100)%2 == 0 {
				return "region2", ""
			}
			return clean(part)
		}, topology.ZeroLoss, []Reason{ReasonNotLocal}},
		"loses one": {func(part float64) (string, string) {
			if part > 0.21 && part < 0.22 {
				return "", "503 Service Unavailable"
			}
			return clean(part)
		}, topology.ZeroLoss, []Reason{ReasonRequestsLost}},
		"loses one under the article's rule": {func(part float64) (string, string) {
			if part > 0.21 && part < 0.22 {
				return "", "503 Service Unavailable"
			}
			return clean(part)
		}, topology.Article, nil},
		"does not move": {func(part float64) (string, string) {
			if region, _ := clean(part); region == "region2" {
				return "", "connection refused"
			}
			return clean(part)
		}, topology.Article, []Reason{ReasonNotShifted}},
		"does not come back": {func(part float64) (string, string) {
			if part > drill.Drain.Phases.Steady+drill.Drain.Phases.Fault {
				return "region2", ""
			}
			return clean(part)
		}, topology.ZeroLoss, []Reason{ReasonNotBack}},
	}
	for name, c := range cases {
		inBubble(t, name, func(t *testing.T) {
			f, o, _ := timedMesh(t)
			f.load = shaped(f, c.shape)
			m := f.mesh(o)
			m.workload.LoadLabel, m.workload.Traffic = "app=load", failoverRule
			m.workload.Traffic.Profile = c.profile
			out := &outcome{}
			data := m.failover(t.Context(), out)
			if data == nil {
				t.Fatalf("no data: %+v", out.findings)
			}
			if len(data.Generators) != 2 {
				t.Fatalf("%d generators, want the client and the ingress of cluster1", len(data.Generators))
			}
			var got []Reason
			for _, finding := range out.findings {
				if !slices.Contains(got, finding.Reason) {
					got = append(got, finding.Reason)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("reasons (-want +got):\n%s\n%+v", diff, out.findings)
			}
			var events []string
			for _, e := range data.Events {
				events = append(events, e.What)
			}
			if diff := cmp.Diff([]string{drill.MomentFault, drill.MomentFaulted, drill.MomentRestore, drill.MomentRestored}, events); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}
