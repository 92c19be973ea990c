package verify

import (
	"github.com/meshwright/meshwright/mesh/topology"

	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/meshwright/meshwright/mesh"
)

// DrillVersion is the version of a drill's JSON, as FormatVersion is a report's.
const DrillVersion = 1

// DrillOptions are the inputs of Drill.
type DrillOptions struct {
	Targets  []mesh.Cluster
	Workload mesh.Workload
	Deployer mesh.Deployer
	Timeouts Timeouts
	Plan     FailoverPlan
	// Rules to measure, one after another.
	Rules []topology.Rule
	// Repeat is how often each is measured; at least once.
	Repeat int
	// Progress hears of every step; may be nil.
	Progress func(step string)
}

// DrillReport is what a drill measured.
type DrillReport struct {
	Version  int                `json:"version"` // DrillVersion
	Drill    string             `json:"drill"`   // the fault
	Clusters []topology.Cluster `json:"clusters"`
	Started  time.Time          `json:"started"`
	Seconds  float64            `json:"seconds"`
	Requests int                `json:"requests"` // from each loader in each run
	Rate     int                `json:"rate"`
	Repeat   int                `json:"repeat"` // runs asked for of each rule
	Rules    []DrillSummary     `json:"rules"`
	Runs     []DrillRun         `json:"runs"`
	// Findings are warnings about the drill as a whole.
	Findings []Finding `json:"findings,omitempty"`
}

// DrillRun is one failover. With findings it is none: it could not be made, or a
// record of it is missing, and no summary counts it.
type DrillRun struct {
	Rule     string        `json:"rule"` // Label of the rule
	Findings []Finding     `json:"findings,omitempty"`
	Data     *FailoverData `json:"data,omitempty"`
}

// DrillSummary sums up the runs of one rule, over all loaders. Times are seconds.
type DrillSummary struct {
	Rule     string   `json:"rule"`
	Runs     int      `json:"runs"`    // without findings
	Loaders  int      `json:"loaders"` // in all these runs
	Requests int      `json:"requests"`
	Lost     int      `json:"lost"`
	Retries  *int     `json:"retries,omitempty"` // of the loaders whose proxy counts them
	Errors   []string `json:"errors,omitempty"`
	// Shifted and Failback are of the loaders that saw the end of it; left out when
	// none did. NotShifted and NotBack count the others.
	Shifted    *Spread `json:"shifted,omitempty"`
	Failback   *Spread `json:"failback,omitempty"`
	NotShifted int     `json:"notShifted,omitempty"`
	NotBack    int     `json:"notBack,omitempty"`
	// FirstError is the earliest loss after the fault; left out when there was none.
	FirstError *float64 `json:"firstError,omitempty"`
	Slowest    float64  `json:"slowestMilliseconds"`
}

// Spread is the distribution of a figure over runs and loaders, by nearest rank.
type Spread struct {
	Min float64 `json:"min"`
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func spread(of []float64) *Spread {
	if len(of) == 0 {
		return nil
	}
	s := slices.Sorted(slices.Values(of))
	rank := func(q float64) float64 { return s[nearestRank(len(s), q)] }
	return &Spread{Min: s[0], P50: rank(0.5), P99: rank(0.99), Max: s[len(s)-1]}
}

// label names a rule: its profile, or the parts that it is made of.
func label(r topology.Rule) string {
	if r.Tuning == nil {
		return r.Profile
	}
	parts := []string{topology.Article}
	for _, t := range tunings {
		if *t.field(r.Tuning) {
			parts = append(parts, t.name)
		}
	}
	return strings.Join(parts, "+")
}

// tunings name the parts of profile zero-loss.
var tunings = []struct {
	name  string
	field func(*topology.Tuning) *bool
}{
	{"max-ejection", func(t *topology.Tuning) *bool { return &t.MaxEjection }},
	{"gateway-errors", func(t *topology.Tuning) *bool { return &t.GatewayErrors }},
	{"retries", func(t *topology.Tuning) *bool { return &t.Retries }},
	{"retry-remote", func(t *topology.Tuning) *bool { return &t.RetryRemote }},
	{"fast-connect", func(t *topology.Tuning) *bool { return &t.FastConnect }},
	{"local-errors", func(t *topology.Tuning) *bool { return &t.LocalErrors }},
	{"last-resort", func(t *topology.Tuning) *bool { return &t.LastResort }},
	{"reuse-connections", func(t *topology.Tuning) *bool { return &t.ReuseConnections }},
}

// TuningNames lists the parts of profile zero-loss.
func TuningNames() []string {
	names := make([]string, len(tunings))
	for i, t := range tunings {
		names[i] = t.name
	}
	return names
}

// ParseTuning builds a tuning from names of parts.
func ParseTuning(names []string) (*topology.Tuning, error) {
	out := &topology.Tuning{}
	for _, name := range names {
		i := slices.Index(TuningNames(), name)
		if i < 0 {
			return nil, fmt.Errorf("no part of the zero-loss profile is called %q; there are %s", name, strings.Join(TuningNames(), ", "))
		}
		*tunings[i].field(out) = true
	}
	return out, nil
}

// Drill makes a region fail under load as often as asked, under every rule, and
// reports what was measured. It judges nothing but what makes a figure worthless:
// a run that could not be made, or of which a record is missing, ends the drill
// with an error. What was measured until then is reported with it.
func Drill(ctx context.Context, o DrillOptions) (*DrillReport, error) {
	if err := validate(Options{Targets: o.Targets, Workload: o.Workload}); err != nil {
		return nil, err
	}
	if !slices.Contains(append(Faults(), ""), o.Plan.Fault) {
		return nil, fmt.Errorf("no fault is called %q; there are %s", o.Plan.Fault, strings.Join(Faults(), ", "))
	}
	m := &session{
		workload: o.Workload, timeouts: o.Timeouts.withDefaults(), host: mesh.Host{},
		deployer: o.Deployer, generator: vegeta{},
	}
	var done func()
	var err error
	m.members, done, err = mesh.Connect(o.Targets)
	defer done()
	if err != nil {
		return nil, err
	}
	return drill(ctx, m, o)
}

func drill(ctx context.Context, m *session, o DrillOptions) (*DrillReport, error) {
	if lack, why, ok := m.lacks(failover.Needs); !ok {
		return nil, &RemedyError{Err: errors.New(why), Remedy: lack.Remedy}
	}
	progress := o.Progress
	if progress == nil {
		progress = func(string) {}
	}
	plan := o.Plan.withDefaults(m)
	if !slices.ContainsFunc(m.members, func(c *mesh.Member) bool { return c.Region == plan.Region }) {
		return nil, fmt.Errorf("no cluster is in region %q", plan.Region)
	}
	report := &DrillReport{
		Version: DrillVersion, Drill: plan.Fault, Clusters: clustersOf(o.Targets), Started: time.Now(),
		Requests: plan.load(0).Scheduled(), Rate: plan.Rate, Repeat: max(1, o.Repeat),
	}
	var err error
	for _, rule := range o.Rules {
		if err = report.measure(ctx, m, plan, rule, progress); err != nil {
			break
		}
	}
	report.Seconds = seconds(time.Since(report.Started))
	return report, err
}

// measure adds the runs of one rule to the report, and their summary.
func (r *DrillReport) measure(ctx context.Context, m *session, plan FailoverPlan, rule topology.Rule, progress func(string)) error {
	name, out := label(rule), &outcome{}
	m.say = func(step string) { progress(name + ": " + step) }
	m.say("deploying")
	m.inScenario(ctx, mesh.Scenario{Name: "drill", Traffic: rule}, out, func(m *session) {
		for n := range r.Repeat {
			if n > 0 { // the pods are new ones
				out.findings = append(out.findings, m.settle(ctx)...)
			}
			if len(out.findings) > 0 {
				return
			}
			m.say(fmt.Sprintf("run %d of %d", n+1, r.Repeat))
			run := &outcome{}
			data := m.failover(ctx, plan, run)
			r.Runs = append(r.Runs, DrillRun{Rule: name, Data: data, Findings: run.findings})
			out.findings = append(out.findings, run.findings...)
		}
	})
	r.Rules = append(r.Rules, r.sum(name))
	out.sort(nil)
	for _, f := range out.findings {
		if f.Warning {
			r.Findings = append(r.Findings, f)
		}
	}
	if ctx.Err() != nil {
		return stopped(ctx, "drill", out.findings)
	}
	if out.failed() {
		f := out.findings[0] // failures come first
		return fmt.Errorf("rule %s: %s%s", name, f.where(), f.Message)
	}
	return nil
}

func (r *DrillReport) sum(rule string) DrillSummary {
	s := DrillSummary{Rule: rule}
	var shifted, failback []float64
	kinds := map[string]bool{}
	for _, run := range r.Runs {
		if run.Rule != rule || len(run.Findings) > 0 {
			continue
		}
		s.Runs++
		for _, f := range run.Data.Loaders {
			s.Loaders++
			s.Requests, s.Lost = s.Requests+f.Recorded, s.Lost+f.Lost
			s.Slowest = max(s.Slowest, f.Slowest)
			if f.Shifted == nil {
				s.NotShifted++
			} else {
				shifted = append(shifted, *f.Shifted)
			}
			if f.Failback == nil {
				s.NotBack++
			} else {
				failback = append(failback, *f.Failback)
			}
			if f.Retries != nil {
				n := *f.Retries
				if s.Retries != nil {
					n += *s.Retries
				}
				s.Retries = &n
			}
			if f.FirstError != nil && (s.FirstError == nil || *f.FirstError < *s.FirstError) {
				s.FirstError = f.FirstError
			}
			for kind := range f.Errors {
				kinds[kind] = true
			}
		}
	}
	for kind := range kinds {
		s.Errors = append(s.Errors, clip(kind, 160))
	}
	slices.Sort(s.Errors)
	s.Shifted, s.Failback = spread(shifted), spread(failback)
	return s
}

// JSON writes the report as one indented document.
func (r *DrillReport) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// Table writes the summary of every rule for a person. show prints a remedy; it may be nil.
func (r *DrillReport) Table(w io.Writer, show func(Remedy) string) error {
	var b strings.Builder
	moving := "the repair began"
	if r.Drill == FaultKill {
		moving = "the run ended"
	}
	fmt.Fprintf(&b, "%s: %d requests at %d/s from each loader in each run; seconds since the fault (first error, shifted) and since the repair began (failback)\n\n", r.Drill, r.Requests, r.Rate)
	const row = "%-44s %7s %8s %6s %8s %11s  %-22s %-22s %8s\n"
	fmt.Fprintf(&b, row, "RULE", "RUNS", "REQUESTS", "LOST", "RETRIED", "FIRST ERROR", "SHIFTED p50/p99/max", "FAILBACK p50/p99/max", "SLOWEST")
	for _, s := range r.Rules {
		runs, retries, first := fmt.Sprint(s.Runs), "?", "–"
		if s.Runs < r.Repeat {
			runs = fmt.Sprintf("%d of %d", s.Runs, r.Repeat)
		}
		if s.Retries != nil {
			retries = fmt.Sprint(*s.Retries)
		}
		if s.FirstError != nil {
			first = fmt.Sprintf("%.2f", *s.FirstError)
		}
		fmt.Fprintf(&b, row, s.Rule, runs, fmt.Sprint(s.Requests), fmt.Sprint(s.Lost), retries, first, s.Shifted, s.Failback, fmt.Sprintf("%.0f ms", s.Slowest))
	}
	for _, s := range r.Rules {
		for _, e := range s.Errors {
			fmt.Fprintf(&b, "\n%s lost: %s", s.Rule, e)
		}
		if s.NotShifted > 0 {
			fmt.Fprintf(&b, "\n%s: %s of %d still lost requests, or got answers of a failed pod, when %s", s.Rule, count(s.NotShifted, "loader"), s.Loaders, moving)
		}
		if s.NotBack > 0 {
			fmt.Fprintf(&b, "\n%s: %s of %d did not get its requests back before the run ended", s.Rule, count(s.NotBack, "loader"), s.Loaders)
		}
	}
	for _, run := range r.Runs {
		for _, f := range run.Findings {
			fmt.Fprintf(&b, "\n%s, a run that does not count: %s%s", run.Rule, f.where(), f.Message)
		}
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "\nwarning: %s%s; %s", f.where(), f.Message, notRemoved.Remedy.shown(show))
	}
	_, err := io.WriteString(w, strings.TrimRight(b.String(), "\n")+"\n")
	return err
}

func (s *Spread) String() string {
	if s == nil {
		return "–"
	}
	return fmt.Sprintf("%.2f / %.2f / %.2f", s.P50, s.P99, s.Max)
}
