package drill

import (
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

	"github.com/meshwright/meshwright/fault"
	"github.com/meshwright/meshwright/load"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/mesh/topology"
	"github.com/meshwright/meshwright/report"
)

// TestGeneratorsShareTheLoad: a region of more clusters gets no more requests.
func TestGeneratorsShareTheLoad(t *testing.T) {
	f := newFakeMesh(t)
	plan := func(p Plan) Plan {
		t.Helper()
		p, err := p.withDefaults(Drain, f.members, f.setting().Workload)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := plan(Plan{}); p.Rate != 50 || p.Requests != 2400 || p.Fault != "drain" || p.Region != "region1" {
		t.Errorf("one cluster with its ingress: %+v", p)
	}
	for _, m := range f.members {
		m.Region = "region1"
	}
	if p := plan(Plan{}); p.Rate != 25 || p.Requests != 1200 {
		t.Errorf("two: %+v", p)
	}
	f.members[0].IngressAddress = ""
	if p := plan(Plan{Requests: 990}); p.Rate != 33 || p.Requests != 990 {
		t.Errorf("three generators: %+v", p)
	}
	for _, p := range []Plan{{Region: "region3"}, {Fault: "none"}} {
		if _, err := p.withDefaults(Drain, f.members, f.setting().Workload); err == nil {
			t.Errorf("%+v was accepted", p)
		}
	}
}

// TestStrangers: an answer of a pod that is nowhere is no answer of another region.
func TestStrangers(t *testing.T) { synctest.Test(t, testStrangers) }

func testStrangers(t *testing.T) {
	f := newFakeMesh(t)
	good := shaped(f, clean)
	f.load = func(from mesh.Cluster, via string, p load.Plan, on func(load.Record)) error {
		return good(from, via, p, func(r load.Record) {
			if r.Seq == 40 && via == load.ViaMesh {
				r.Instance = "stranger"
			}
			on(r)
		})
	}
	data, findings := Drain.Measure(t.Context(), f.setting(), Plan{Rate: 100, Requests: 100})
	if len(findings) != 1 || findings[0].Reason != ReasonLocalityUnknown || !strings.Contains(findings[0].Message, `"stranger"`) {
		t.Errorf("findings %+v", findings)
	}
	if data == nil || len(data.Generators) != 1 || data.Generators[0].Via != load.ViaIngress {
		t.Errorf("data %+v", data)
	}
}

// TestMeasure: the moments of every fault of the drill, and what it struck.
func TestMeasure(t *testing.T) {
	for _, fault := range Drain.Faults {
		t.Run(fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeMesh(t)
				f.load = shaped(f, clean)
				data, findings := Drain.Measure(t.Context(), f.setting(), Plan{Fault: fault})
				if data == nil || len(findings) > 0 {
					t.Fatalf("data %+v, findings %+v", data, findings)
				}
				want := []Moment{{9.6, MomentFault}, {9.6, MomentFaulted}, {28.8, MomentRestore}, {28.8, MomentRestored}}
				if fault == "kill" {
					want = []Moment{{9.6, MomentFault}, {9.6, MomentFaulted}, {9.6, MomentRestored}}
				}
				if diff := cmp.Diff(want, data.Events); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
				if !slices.Equal(data.Failed, []string{"helloworld-v2-0"}) || data.To != "region2" || len(data.Generators) != 2 {
					t.Errorf("data %+v", data)
				}
			})
		})
	}
}

// TestLocalities: without knowledge of regions there is nothing to measure.
func TestLocalities(t *testing.T) {
	f := newFakeMesh(t)
	s := f.setting()
	s.Localities = func(_ context.Context, _ mesh.Workload, generators []load.Generator) []report.Finding {
		return []report.Finding{{Message: fmt.Sprint(len(generators))}}
	}
	if data, findings := Drain.Measure(t.Context(), s, Plan{}); data != nil || len(findings) != 1 || findings[0].Message != "2" {
		t.Errorf("data %+v, findings %+v", data, findings)
	}
	s.Workload.LoadLabel = "app=none"
	if data, findings := Drain.Measure(t.Context(), s, Plan{}); data != nil || len(findings) != 1 || findings[0].Reason != ReasonClientMissing {
		t.Errorf("data %+v, findings %+v", data, findings)
	}
}

func TestDrill(t *testing.T) { synctest.Test(t, testDrill) }

func testDrill(t *testing.T) {
	f := newFakeMesh(t)
	o, d := f.options()
	f.load = shaped(f, clean)
	tuned := failoverRule
	tuned.Tuning = &topology.Tuning{MaxEjection: true, Retries: true}
	o.Repeat, o.Rules = 2, []topology.Rule{failoverRule, tuned}
	report, err := Drain.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Runs) != 4 || !slices.Equal(d.Removed(), []string{"drill", "drill"}) {
		t.Errorf("%d runs, removed %v", len(report.Runs), d.Removed())
	}
	var labels []string
	for _, s := range report.Rules {
		labels = append(labels, s.Rule)
		if s.Runs != 2 || s.Requests != 400 || s.Lost != 0 || s.Generators != 4 || s.NotBack != 0 || s.Failback == nil || s.Failback.Max > 0.35 {
			t.Errorf("%s: %+v", s.Rule, s)
		}
	}
	if diff := cmp.Diff([]string{"zero-loss", "article+max-ejection+retries"}, labels); diff != "" {
		t.Error(diff)
	}
	var b strings.Builder
	if err := report.Table(&b, nil); err != nil || !strings.Contains(b.String(), "article+max-ejection+retries") {
		t.Errorf("table %v:\n%s", err, b.String())
	}
}

// TestDrillThatIsNone: a run with a record missing is no run, and no figure.
func TestDrillThatIsNone(t *testing.T) { synctest.Test(t, testDrillThatIsNone) }

func testDrillThatIsNone(t *testing.T) {
	f := newFakeMesh(t)
	o, _ := f.options()
	o.Repeat = 3
	good, runs := shaped(f, clean), map[string]int{}
	var mu sync.Mutex
	f.load = func(from mesh.Cluster, via string, p load.Plan, on func(load.Record)) error {
		mu.Lock()
		if p.Duration != load.WarmUp {
			runs[via]++
		}
		second := runs["mesh"] == 2
		mu.Unlock()
		return good(from, via, p, func(r load.Record) {
			if !second || via != load.ViaMesh || r.Seq != 7 {
				on(r)
			}
		})
	}
	report, err := Drain.Run(t.Context(), o)
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
	if err := report.Table(&b, nil); err != nil || !strings.Contains(b.String(), "1 of 3") || !strings.Contains(b.String(), "does not count: cluster1: client pod: 100 requests scheduled") {
		t.Errorf("table %v:\n%s", err, b.String())
	}
}

// TestDrillStopped: the rules that were measured before are reported.
func TestDrillStopped(t *testing.T) { synctest.Test(t, testDrillStopped) }

func testDrillStopped(t *testing.T) {
	f := newFakeMesh(t)
	o, d := f.options()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	good := shaped(f, clean)
	f.load = func(from mesh.Cluster, via string, p load.Plan, on func(load.Record)) error {
		second := len(d.Deployed()) == 2
		if second && p.Duration != load.WarmUp {
			stop()
			return context.Canceled
		}
		return good(from, via, p, on)
	}
	d.Residue = errors.New("namespace is stuck")
	article := failoverRule
	article.Profile = topology.Article
	o.Rules = []topology.Rule{failoverRule, article, failoverRule}
	report, err := Drain.Run(ctx, o)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "left in the mesh: scenario drill: namespace is stuck") {
		t.Errorf("error %v", err)
	}
	if report == nil || len(report.Rules) != 2 || report.Rules[0].Runs != 1 || report.Rules[1].Runs != 0 || len(d.Deployed()) != 2 {
		t.Errorf("report %+v, deployed %v", report, d.Deployed())
	}
}

// TestDrillLeavesSomething: what could not be removed is a warning beside the figures.
func TestDrillLeavesSomething(t *testing.T) { synctest.Test(t, testDrillLeavesSomething) }

func testDrillLeavesSomething(t *testing.T) {
	f := newFakeMesh(t)
	o, d := f.options()
	f.load, d.Residue = shaped(f, clean), errors.New("namespace is stuck")
	got, err := Drain.Run(t.Context(), o)
	if err != nil || len(got.Rules) != 1 || got.Rules[0].Runs != 1 {
		t.Fatalf("report %+v, %v", got, err)
	}
	var b strings.Builder
	remedy := func(f report.Finding) string { return "for " + string(f.Reason) + " run verify --cleanup" }
	if err := got.Table(&b, remedy); err != nil || !strings.Contains(b.String(), "namespace is stuck") || !strings.Contains(b.String(), "for NotRemoved run verify --cleanup") {
		t.Errorf("table %v:\n%s", err, b.String())
	}
}

// TestDrillIsRefused: nothing is deployed where there is nothing to measure.
func TestDrillIsRefused(t *testing.T) {
	for want, spoil := range map[string]func(*Options){
		"may deploy":       func(o *Options) { o.Deployer = nil },
		"workload to call": func(o *Options) { o.Workload = mesh.Workload{} },
		"two regions":      func(o *Options) { o.Workload.Versions = map[string][]string{"cluster1": {"v2"}} },
		"no fault is":      func(o *Options) { o.Plan.Fault = "another-root" },
		"no cluster is":    func(o *Options) { o.Plan.Region = "region3" },
	} {
		f := newFakeMesh(t)
		o, d := f.options()
		spoil(&o)
		if r, err := Drain.Run(t.Context(), o); r != nil || err == nil || !strings.Contains(err.Error(), want) || len(d.Deployed()) > 0 {
			t.Errorf("report %v, error %v, want one with %q", r, err, want)
		}
	}
}

// TestDrillNotSettled: a mesh that does not know the workload is not measured.
func TestDrillNotSettled(t *testing.T) {
	f := newFakeMesh(t)
	o, d := f.options()
	o.Settled = func(_ context.Context, w mesh.Workload) []report.Finding {
		return []report.Finding{{Cluster: "cluster2", Message: w.Traffic.Mode + " is unknown"}, {Cluster: "cluster1", Message: "it too"}}
	}
	r, err := Drain.Run(t.Context(), o)
	if err == nil || err.Error() != "rule zero-loss: cluster1: it too" || len(r.Runs) > 0 || len(r.Rules) != 1 || len(d.Removed()) != 1 {
		t.Errorf("report %+v, %v", r, err)
	}
	d.Fail = errors.New("no room")
	if _, err = Drain.Run(t.Context(), o); err == nil || err.Error() != "rule zero-loss: scenario drill: no room" {
		t.Errorf("error %v", err)
	}
}

// TestAll: what a drill names exists, and its load can be held against its budget.
func TestAll(t *testing.T) {
	for _, d := range All() {
		for _, name := range d.Faults {
			if _, err := fault.Named(name); err != nil {
				t.Errorf("%s: %v", d.Name, err)
			}
		}
		if sum := d.Phases.Steady + d.Phases.Fault + d.Phases.Recovery; sum < 0.999 || sum > 1.001 || d.Phases.Steady == 0 {
			t.Errorf("%s: phases %+v", d.Name, d.Phases)
		}
		for _, via := range d.Load.Via {
			if via != load.ViaMesh && via != load.ViaIngress {
				t.Errorf("%s: no load is made via %s", d.Name, via)
			}
		}
		if d.Question == "" || len(d.Faults) == 0 || d.Budget.BrokenStreams != nil {
			t.Errorf("%+v", d)
		}
	}
}

func TestBudget(t *testing.T) {
	lost, soon := 3, time.Second
	good := Summary{Lost: 3, Slowest: 1000, Shifted: &Spread{Max: 1}, Failback: &Spread{Max: 1}}
	for name, c := range map[string]struct {
		budget Budget
		change func(*Summary)
		want   []string
	}{
		"nothing is judged": {Budget{}, func(s *Summary) { *s = Summary{Lost: 1000, NotShifted: 1} }, nil},
		"within":            {Budget{Lost: &lost, SlowerThan: &soon, MovedWithin: &soon, BackWithin: &soon}, func(*Summary) {}, nil},
		"lost":              {Budget{Lost: &lost}, func(s *Summary) { s.Lost = 4 }, []string{"4 requests were lost, more than 3"}},
		"slow":              {Budget{SlowerThan: &soon}, func(s *Summary) { s.Slowest = 1001 }, []string{"the slowest answer took 1001 ms, longer than 1s"}},
		"moved late":        {Budget{MovedWithin: &soon}, func(s *Summary) { s.Shifted.Max = 1.5 }, []string{"moving the requests took longer than 1s"}},
		"never back":        {Budget{BackWithin: &soon}, func(s *Summary) { s.NotBack, s.Failback = 1, nil }, []string{"getting them back took longer than 1s"}},
	} {
		s := good
		s.Shifted, s.Failback = &Spread{Max: 1}, &Spread{Max: 1}
		c.change(&s)
		if diff := cmp.Diff(c.want, c.budget.over(s)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
