package drill

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/meshwright/meshwright/fault"
	"github.com/meshwright/meshwright/load"
	"github.com/meshwright/meshwright/mesh"
)

// Drill is an experiment on a mesh.
type Drill struct {
	Name     string
	Question string
	Needs    []fault.Need
	// Faults are names in package fault. The first is injected by default.
	Faults []string
	Phases Phases
	Load   Load
	// Budget is what may be lost. The zero Budget judges nothing.
	Budget Budget
}

// Phases are the parts of a run; their sum is 1. A fault that heals itself has no
// moment at which the recovery begins.
type Phases struct{ Steady, Fault, Recovery float64 }

// Load is what calls the workload during a run.
type Load struct {
	Via      []string      // kinds of generators in the failing region: load.ViaMesh, load.ViaIngress
	Rate     int           // requests per second of all generators together, each of which opens its own connections
	Duration time.Duration // of one run
}

// Budget is the most that a rule may cost, over all its runs. A nil field is not judged.
type Budget struct {
	Lost          *int           // requests
	BrokenStreams *int           // of a load that has streams
	SlowerThan    *time.Duration // the slowest answer since the fault
	MovedWithin   *time.Duration // see Figures.Shifted
	BackWithin    *time.Duration // see Figures.Failback
}

// All lists every drill once.
func All() []Drill { return []Drill{Drain} }

// Plan says how one run is made. Zero fields take their defaults.
type Plan struct {
	Region   string // the failing one; default that of the first cluster that serves
	Fault    string // default the first of the drill's
	Rate     int    // requests per second from each generator; default the load's, shared
	Requests int    // from each generator over the whole run; default the load's duration of them
}

func (p Plan) withDefaults(d Drill, members []*mesh.Member, w mesh.Workload) (Plan, error) {
	if p.Fault == "" {
		p.Fault = d.Faults[0]
	}
	if !slices.Contains(d.Faults, p.Fault) {
		return p, fmt.Errorf("drill %s: no fault is called %q; there are %s", d.Name, p.Fault, strings.Join(d.Faults, ", "))
	}
	for _, m := range members {
		if p.Region == "" && len(w.Versions[m.Name]) > 0 {
			p.Region = m.Region
		}
	}
	failing := within(members, p.Region)
	if len(failing) == 0 {
		return p, fmt.Errorf("no cluster is in region %q", p.Region)
	}
	if p.Rate == 0 {
		p.Rate = max(1, d.Load.Rate/max(1, d.Load.generators(failing)))
	}
	if p.Requests == 0 {
		p.Requests = int(d.Load.Duration.Seconds()) * p.Rate
	}
	return p, nil
}

// generators is how many there are in these clusters.
func (l Load) generators(members []*mesh.Member) int {
	n := 0
	for _, m := range members {
		for _, via := range l.Via {
			if via != load.ViaIngress || m.IngressAddress != "" {
				n++
			}
		}
	}
	return n
}

func (p Plan) load(timeout time.Duration) load.Plan {
	return load.Plan{Rate: p.Rate, Duration: time.Duration(p.Requests) * time.Second / time.Duration(p.Rate), Timeout: timeout}
}

// within returns the clusters of a region.
func within(members []*mesh.Member, region string) []*mesh.Member {
	return slices.DeleteFunc(slices.Clone(members), func(m *mesh.Member) bool { return m.Region != region })
}

// over says how a rule's figures exceed the budget.
func (b Budget) over(s Summary) []string {
	var out []string
	exceeds := func(what string, got *Spread, missing int, limit *time.Duration) {
		if limit != nil && (missing > 0 || got != nil && got.Max > limit.Seconds()) {
			out = append(out, fmt.Sprintf("%s took longer than %s", what, limit))
		}
	}
	if b.Lost != nil && s.Lost > *b.Lost {
		out = append(out, fmt.Sprintf("%d requests were lost, more than %d", s.Lost, *b.Lost))
	}
	if b.SlowerThan != nil && s.Slowest > load.Milliseconds(*b.SlowerThan) {
		out = append(out, fmt.Sprintf("the slowest answer took %.0f ms, longer than %s", s.Slowest, b.SlowerThan))
	}
	exceeds("moving the requests", s.Shifted, s.NotShifted, b.MovedWithin)
	exceeds("getting them back", s.Failback, s.NotBack, b.BackWithin)
	return out
}
