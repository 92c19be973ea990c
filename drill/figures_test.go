package verify

import (
	"github.com/meshwright/meshwright/mesh/topology"

	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/load"
	"github.com/meshwright/meshwright/mesh"
)

// shape says who answers during a failover, by the part of the run (0 to 1).
type shape func(part float64) (region, failure string)

func clean(part float64) (string, string) {
	if part >= partBefore && part < partFault {
		return "region2", ""
	}
	return "region1", ""
}

// shaped sends records at the plan's pace.
func shaped(f *fakeMesh, s shape) func(*mesh.Member, string, load.Plan, func(load.Record)) error {
	return func(_ *mesh.Member, _ string, p load.Plan, on func(load.Record)) error {
		if p.Duration == warmUp {
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
				if region == "region1" && part < partFault {
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

// inBubble runs a subtest by a clock of its own, which stands still while anything
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
			if part < partBefore && int(part*100)%2 == 0 {
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
			if part > partFault {
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
			data := m.failover(t.Context(), FailoverPlan{}.withDefaults(m), out)
			if data == nil {
				t.Fatalf("no data: %+v", out.findings)
			}
			if len(data.Loaders) != 2 {
				t.Fatalf("%d loaders, want the client and the ingress of cluster1", len(data.Loaders))
			}
			for i := range data.Loaders {
				data.Loaders[i].judge(data, out)
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
			if diff := cmp.Diff([]string{MomentFault, MomentFaulted, MomentRestore, MomentRestored}, events); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// failed evaluates forty records, one in the midst of each second, of a region that
// fails from 10 s to 30 s. answer says which pod answered, or how the request was lost.
func failed(t *testing.T, fault string, answer func(second float64) (pod, failure string)) (*FailoverData, Failover) {
	t.Helper()
	start := time.Now()
	d := &FailoverData{
		Region: "region1", To: "region2", Fault: fault, Failed: []string{"old"}, Started: start, Rule: failoverRule,
		Events: []Moment{{10, MomentFault}, {10.1, MomentFaulted}, {30, MomentRestore}, {33, MomentRestored}},
	}
	if fault == FaultKill {
		d.Events = []Moment{{10, MomentFault}, {10.1, MomentFaulted}, {17, MomentRestored}}
	}
	tr := trace{loader: loader{member: &mesh.Member{Cluster: inRegion("cluster1", "region1")}, via: "mesh"}}
	for s := 0.5; s < 40; s++ {
		r := load.Record{At: start.Add(time.Duration(s * float64(time.Second))), Latency: 5 * time.Millisecond}
		if r.Instance, r.Error = answer(s); r.Error == "" {
			r.Status, r.Version = 200, "v"
		}
		tr.records = append(tr.records, r)
	}
	f := tr.failover(d, load.Plan{Rate: 1, Duration: 40 * time.Second}, map[string]mesh.Cluster{
		"old": inRegion("cluster1", "region1"), "new": inRegion("cluster1", "region1"),
		"remote": inRegion("cluster2", "region2"), "third": inRegion("cluster3", "region3"),
	})
	return d, f
}

// TestFailoverFigures evaluates records whose times are known.
func TestFailoverFigures(t *testing.T) {
	d, f := failed(t, FaultDrain, func(s float64) (string, string) {
		switch {
		case s == 10.5:
			return "", "503 Service Unavailable"
		case s < 12: // 11.5 still local
			return "old", ""
		case s < 32:
			return "remote", ""
		}
		return "new", ""
	})
	for at, want := range map[int]RequestPoint{
		10: {At: 10.5, Latency: 5, Lost: "503 Service Unavailable"},
		20: {At: 20.5, Latency: 5, Status: 200, Version: "v", Pod: "remote", Cluster: "cluster2", Region: "region2"},
	} {
		if diff := cmp.Diff(want, f.Points[at]); diff != "" {
			t.Errorf("request %d (-want +got):\n%s", at, diff)
		}
	}
	f.Points = nil
	first, moved, back := 0.5, 1.5, 1.5
	want := Failover{
		From: "cluster1", Via: "mesh", Scheduled: 40, Recorded: 40, Lost: 1,
		Errors: map[string]int{"503 Service Unavailable": 1}, Local: 1, Remote: 1,
		FirstError: &first, Shifted: &moved, Failback: &back, P50: 5, P99: 5, Slowest: 5,
	}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
	d.Loaders = []Failover{f}
	for _, part := range []string{"after 1.50 s", "came back 1.5 s", "1 of 40 lost"} {
		if got := d.summary(); !strings.Contains(got, part) {
			t.Errorf("summary %q lacks %q", got, part)
		}
	}
}

// TestMovedAndBack looks at the two times alone; -1 is for one that was not seen.
func TestMovedAndBack(t *testing.T) {
	const lost = "connection refused"
	cases := map[string]struct {
		fault       string
		answer      func(second float64) (pod, failure string)
		moved, back float64
	}{
		"drained, and never moves": {FaultDrain, func(s float64) (string, string) {
			switch {
			case s < 10:
				return "old", ""
			case s < 32:
				return "", lost
			}
			return "new", ""
		}, -1, 1.5},
		"drained, and half of it never moves": {FaultDrain, func(s float64) (string, string) {
			switch {
			case s < 10:
				return "old", ""
			case s < 30 && int(s)%2 == 0:
				return "", lost
			case s < 30:
				return "remote", ""
			}
			return "new", ""
		}, -1, 0},
		"drained, and moves to a region that the rule does not name": {FaultDrain, func(s float64) (string, string) {
			switch {
			case s < 10:
				return "old", ""
			case s < 30:
				return "third", ""
			}
			return "new", ""
		}, -1, 0},
		"killed, and answered for a while by a region that the rule does not name": {FaultKill, func(s float64) (string, string) {
			switch {
			case s < 10:
				return "old", ""
			case s < 13:
				return "third", ""
			case s < 17:
				return "remote", ""
			}
			return "new", ""
		}, 2.5, 6.5},
		"killed, and no request hurt": {FaultKill, func(s float64) (string, string) {
			switch {
			case s < 10:
				return "old", ""
			case s < 17:
				return "remote", ""
			}
			return "new", ""
		}, 0, 6.5},
		"killed, lost and still answered": {FaultKill, func(s float64) (string, string) {
			switch {
			case s < 11: // 10.5 was on its way
				return "old", ""
			case s == 13.5:
				return "", lost
			case s < 17:
				return "remote", ""
			}
			return "new", ""
		}, 3.5, 6.5},
		"killed, and losing to the end": {FaultKill, func(s float64) (string, string) {
			if s < 10 {
				return "old", ""
			}
			return "", lost
		}, -1, -1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d, f := failed(t, c.fault, c.answer)
			seen := func(s *float64) float64 {
				if s == nil {
					return -1
				}
				return *s
			}
			if moved, back := seen(f.Shifted), seen(f.Failback); moved != c.moved || back != c.back {
				t.Errorf("moved %g, back %g; want %g and %g", moved, back, c.moved, c.back)
			}
			r := &DrillReport{Drill: c.fault, Runs: []DrillRun{{Data: &FailoverData{Loaders: []Failover{f}}}}}
			r.Rules = []DrillSummary{r.sum("")}
			if s := r.Rules[0]; (s.NotShifted == 1) != (c.moved < 0) || (s.Shifted == nil) != (c.moved < 0) {
				t.Errorf("summary %+v", s)
			}
			var b strings.Builder
			if err := r.Table(&b, nil); err != nil || strings.Contains(b.String(), "still lost") != (c.moved < 0) || !strings.Contains(b.String(), "5 ms") {
				t.Errorf("table %v:\n%s", err, b.String())
			}
			if f.FirstError != nil && !strings.Contains(b.String(), fmt.Sprintf(" %.2f ", *f.FirstError)) {
				t.Errorf("no first error at %g in\n%s", *f.FirstError, b.String())
			}
			d.Loaders = []Failover{f}
			if strings.Contains(d.summary(), "but for some") != (c.moved < 0) {
				t.Errorf("summary %q", d.summary())
			}
		})
	}
}

// TestShiftedElsewhere: of three regions the one that the rule names must answer.
func TestShiftedElsewhere(t *testing.T) {
	for pod, want := range map[string]float64{"remote": 1, "third": 0} {
		_, f := failed(t, FaultDrain, func(s float64) (string, string) {
			if s > 10 && s < 30 {
				return pod, ""
			}
			return "old", ""
		})
		if f.Remote != want {
			t.Errorf("%s: a share of %g, want %g", pod, f.Remote, want)
		}
	}
}

// TestLoadersShareTheLoad: a region of more clusters gets no more requests.
func TestLoadersShareTheLoad(t *testing.T) {
	f, o, _ := timedMesh(t)
	m := f.mesh(o)
	if p := (FailoverPlan{}).withDefaults(m); p.Rate != 50 || p.Requests != 2400 {
		t.Errorf("one cluster with its ingress: %+v", p)
	}
	for _, c := range m.members {
		c.Region = "region1"
	}
	if p := (FailoverPlan{}).withDefaults(m); p.Rate != 25 || p.Requests != 1200 {
		t.Errorf("two: %+v", p)
	}
	m.members[0].IngressAddress = ""
	if p := (FailoverPlan{Requests: 990}).withDefaults(m); p.Rate != 33 || p.Requests != 990 {
		t.Errorf("three loaders: %+v", p)
	}
}

// TestStrangers: an answer of a pod that is nowhere is no answer of another region.
func TestStrangers(t *testing.T) { synctest.Test(t, testStrangers) }

func testStrangers(t *testing.T) {
	f, o, _ := timedMesh(t)
	good := shaped(f, clean)
	f.load = func(c *mesh.Member, via string, p load.Plan, on func(load.Record)) error {
		return good(c, via, p, func(r load.Record) {
			if r.Seq == 40 && via == "mesh" {
				r.Instance = "stranger"
			}
			on(r)
		})
	}
	m, out := f.mesh(o), &outcome{}
	m.workload.LoadLabel, m.workload.Traffic = "app=load", failoverRule
	data := m.failover(t.Context(), FailoverPlan{Rate: 100, Requests: 100}.withDefaults(m), out)
	if len(out.findings) != 1 || out.findings[0].Reason != ReasonLocalityUnknown || !strings.Contains(out.findings[0].Message, `"stranger"`) {
		t.Errorf("findings %+v", out.findings)
	}
	if data == nil || len(data.Loaders) != 1 || data.Loaders[0].Via != "ingress" {
		t.Errorf("data %+v", data)
	}
}

func TestDrill(t *testing.T) { synctest.Test(t, testDrill) }

func testDrill(t *testing.T) {
	f, o, d := timedMesh(t)
	f.load = shaped(f, clean)
	m := f.mesh(o)
	tuned := failoverRule
	tuned.Tuning = &topology.Tuning{MaxEjection: true, Retries: true}
	report, err := drill(t.Context(), m, DrillOptions{
		Targets: o.Targets, Workload: o.Workload, Deployer: d, Repeat: 2,
		Plan: FailoverPlan{Rate: 100, Requests: 100}, Rules: []topology.Rule{failoverRule, tuned},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Runs) != 4 || !slices.Equal(d.removed, []string{"drill", "drill"}) {
		t.Errorf("%d runs, removed %v", len(report.Runs), d.removed)
	}
	var labels []string
	for _, s := range report.Rules {
		labels = append(labels, s.Rule)
		if s.Runs != 2 || s.Requests != 400 || s.Lost != 0 || s.Loaders != 4 || s.NotBack != 0 || s.Failback == nil || s.Failback.Max > 0.35 {
			t.Errorf("%s: %+v", s.Rule, s)
		}
	}
	if diff := cmp.Diff([]string{"zero-loss", "article+max-ejection+retries"}, labels); diff != "" {
		t.Error(diff)
	}
	var b strings.Builder
	if err := report.Table(&b, operation); err != nil || !strings.Contains(b.String(), "article+max-ejection+retries") {
		t.Errorf("table %v:\n%s", err, b.String())
	}
}

// TestDrillThatIsNone: a run with a record missing is no run, and no figure.
func TestDrillThatIsNone(t *testing.T) { synctest.Test(t, testDrillThatIsNone) }

func testDrillThatIsNone(t *testing.T) {
	f, o, d := timedMesh(t)
	good, runs := shaped(f, clean), map[string]int{}
	var mu sync.Mutex
	f.load = func(c *mesh.Member, via string, p load.Plan, on func(load.Record)) error {
		mu.Lock()
		if p.Duration != warmUp {
			runs[via]++
		}
		second := runs["mesh"] == 2
		mu.Unlock()
		return good(c, via, p, func(r load.Record) {
			if !second || via != "mesh" || r.Seq != 7 {
				on(r)
			}
		})
	}
	report, err := drill(t.Context(), f.mesh(o), DrillOptions{
		Targets: o.Targets, Workload: o.Workload, Deployer: d, Repeat: 3,
		Plan: FailoverPlan{Rate: 100, Requests: 100}, Rules: []topology.Rule{failoverRule},
	})
	if err == nil || !strings.Contains(err.Error(), "100 requests scheduled, 99 recorded") {
		t.Errorf("error %v", err)
	}
	if report == nil || len(report.Runs) != 2 || len(report.Runs[1].Findings) != 1 || len(report.Rules) != 1 {
		t.Fatalf("report %+v", report)
	}
	if s := report.Rules[0]; s.Runs != 1 || s.Requests != 200 {
		t.Errorf("the summary counts a run that was none: %+v", s)
	}
	var b strings.Builder
	if err := report.Table(&b, operation); err != nil || !strings.Contains(b.String(), "1 of 3") || !strings.Contains(b.String(), "does not count: cluster1: client pod: 100 requests scheduled") {
		t.Errorf("table %v:\n%s", err, b.String())
	}
}

// TestDrillStopped: the rules that were measured before are reported.
func TestDrillStopped(t *testing.T) { synctest.Test(t, testDrillStopped) }

func testDrillStopped(t *testing.T) {
	f, o, d := timedMesh(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	good := shaped(f, clean)
	f.load = func(c *mesh.Member, via string, p load.Plan, on func(load.Record)) error {
		d.mu.Lock()
		second := len(d.deployed) == 2
		d.mu.Unlock()
		if second && p.Duration != warmUp {
			stop()
			return context.Canceled
		}
		return good(c, via, p, on)
	}
	d.residue = errors.New("namespace is stuck")
	article := failoverRule
	article.Profile = topology.Article
	report, err := drill(ctx, f.mesh(o), DrillOptions{
		Targets: o.Targets, Workload: o.Workload, Deployer: d,
		Plan: FailoverPlan{Rate: 100, Requests: 100}, Rules: []topology.Rule{failoverRule, article, failoverRule},
	})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "left in the mesh: scenario drill: namespace is stuck") {
		t.Errorf("error %v", err)
	}
	if report == nil || len(report.Rules) != 2 || report.Rules[0].Runs != 1 || report.Rules[1].Runs != 0 || len(d.deployed) != 2 {
		t.Errorf("report %+v, deployed %v", report, d.deployed)
	}
}

// TestDrillLeavesSomething: what could not be removed is a warning beside the figures.
func TestDrillLeavesSomething(t *testing.T) { synctest.Test(t, testDrillLeavesSomething) }

func testDrillLeavesSomething(t *testing.T) {
	f, o, d := timedMesh(t)
	f.load, d.residue = shaped(f, clean), errors.New("namespace is stuck")
	report, err := drill(t.Context(), f.mesh(o), DrillOptions{
		Targets: o.Targets, Workload: o.Workload, Deployer: d,
		Plan: FailoverPlan{Rate: 100, Requests: 100}, Rules: []topology.Rule{failoverRule},
	})
	if err != nil || len(report.Rules) != 1 || report.Rules[0].Runs != 1 {
		t.Fatalf("report %+v, %v", report, err)
	}
	var b strings.Builder
	if err := report.Table(&b, operation); err != nil || !strings.Contains(b.String(), "namespace is stuck") || !strings.Contains(b.String(), "; cleanup") {
		t.Errorf("table %v:\n%s", err, b.String())
	}
}

// TestDrainRunsInTheSidecar sees what a strike does.
func TestDrainRunsInTheSidecar(t *testing.T) {
	f, o, _ := timedMesh(t)
	var argv []string
	f.clusters["cluster1"].exec = func(a []string) (mesh.Output, error) {
		argv = a
		return mesh.Output{}, nil
	}
	m := f.mesh(o)
	victims, err := m.victims(t.Context(), "region1")
	if err != nil || len(victims) != 1 {
		t.Fatalf("victims %v, %v", victims, err)
	}
	for fault, want := range map[string]string{FaultDrain: "drain_listeners", FaultGraceful: "drain_listeners?graceful"} {
		if err := victims[0].strike(t.Context(), fault); err != nil || argv[len(argv)-1] != want {
			t.Errorf("%s: %v, %v", fault, argv, err)
		}
	}
}
