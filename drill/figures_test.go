package drill

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/load"
	"github.com/meshwright/meshwright/mesh"
)

// failed evaluates forty records, one in the midst of each second, of a region that
// fails from 10 s to 30 s. answer says which pod answered, or how the request was lost.
func failed(t *testing.T, fault string, answer func(second float64) (pod, failure string)) (*Data, Figures) {
	t.Helper()
	start := time.Now()
	d := &Data{
		Region: "region1", To: "region2", Fault: fault, Failed: []string{"old"}, Started: start, Rule: failoverRule,
		Events: []Moment{{10, MomentFault}, {10.1, MomentFaulted}, {30, MomentRestore}, {33, MomentRestored}},
	}
	if fault == "kill" {
		d.Events = []Moment{{10, MomentFault}, {10.1, MomentFaulted}, {17, MomentRestored}}
	}
	tr := load.Trace{Generator: load.Generator{From: inRegion("cluster1", "region1"), Via: load.ViaMesh}}
	for s := 0.5; s < 40; s++ {
		r := load.Record{At: start.Add(time.Duration(s * float64(time.Second))), Latency: 5 * time.Millisecond}
		if r.Instance, r.Error = answer(s); r.Error == "" {
			r.Status, r.Version = 200, "v"
		}
		tr.Records = append(tr.Records, r)
	}
	f := d.figures(tr, load.Plan{Rate: 1, Duration: 40 * time.Second}, map[string]mesh.Cluster{
		"old": inRegion("cluster1", "region1"), "new": inRegion("cluster1", "region1"),
		"remote": inRegion("cluster2", "region2"), "third": inRegion("cluster3", "region3"),
	})
	return d, f
}

// TestFailoverFigures evaluates records whose times are known.
func TestFailoverFigures(t *testing.T) {
	d, f := failed(t, "drain", func(s float64) (string, string) {
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
	want := Figures{
		From: "cluster1", Via: "mesh", Scheduled: 40, Recorded: 40, Lost: 1,
		Errors: map[string]int{"503 Service Unavailable": 1}, Local: 1, Remote: 1,
		FirstError: &first, Shifted: &moved, Failback: &back, P50: 5, P99: 5, Slowest: 5,
	}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
	d.Generators = []Figures{f}
	for _, part := range []string{"after 1.50 s", "came back 1.5 s", "1 of 40 lost"} {
		if got := d.Summary(); !strings.Contains(got, part) {
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
		"drained, and never moves": {"drain", func(s float64) (string, string) {
			switch {
			case s < 10:
				return "old", ""
			case s < 32:
				return "", lost
			}
			return "new", ""
		}, -1, 1.5},
		"drained, and half of it never moves": {"drain", func(s float64) (string, string) {
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
		"drained, and moves to a region that the rule does not name": {"drain", func(s float64) (string, string) {
			switch {
			case s < 10:
				return "old", ""
			case s < 30:
				return "third", ""
			}
			return "new", ""
		}, -1, 0},
		"killed, and answered for a while by a region that the rule does not name": {"kill", func(s float64) (string, string) {
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
		"killed, and no request hurt": {"kill", func(s float64) (string, string) {
			switch {
			case s < 10:
				return "old", ""
			case s < 17:
				return "remote", ""
			}
			return "new", ""
		}, 0, 6.5},
		"killed, lost and still answered": {"kill", func(s float64) (string, string) {
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
		"killed, and losing to the end": {"kill", func(s float64) (string, string) {
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
			r := &Report{Drill: c.fault, Runs: []Run{{Data: &Data{Generators: []Figures{f}}}}}
			r.Rules = []Summary{r.sum("")}
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
			d.Generators = []Figures{f}
			if strings.Contains(d.Summary(), "but for some") != (c.moved < 0) {
				t.Errorf("summary %q", d.Summary())
			}
		})
	}
}

// TestShiftedElsewhere: of three regions the one that the rule names must answer.
func TestShiftedElsewhere(t *testing.T) {
	for pod, want := range map[string]float64{"remote": 1, "third": 0} {
		_, f := failed(t, "drain", func(s float64) (string, string) {
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
