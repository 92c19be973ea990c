package drill

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/meshwright/meshwright/fault"
	"github.com/meshwright/meshwright/load"
	"github.com/meshwright/meshwright/mesh/topology"
	"github.com/meshwright/meshwright/report"
)

// FormatVersion is the version of the report's JSON. It grows when a field changes its
// meaning or goes away, not when one is added.
const FormatVersion = 2

// Report is what a drill measured.
type Report struct {
	Version  int                `json:"version"` // FormatVersion
	Drill    string             `json:"drill"`   // the fault
	Clusters []topology.Cluster `json:"clusters"`
	Started  time.Time          `json:"started"`
	Seconds  float64            `json:"seconds"`
	Requests int                `json:"requests"` // from each generator in each run
	Rate     int                `json:"rate"`
	Repeat   int                `json:"repeat"` // runs asked for of each rule
	Rules    []Summary          `json:"rules"`
	Runs     []Run              `json:"runs"`
	// Findings are warnings about the drill as a whole.
	Findings []report.Finding `json:"findings,omitempty"`
	// OverBudget says how the figures of a rule exceed the drill's budget.
	OverBudget []string `json:"overBudget,omitempty"`
}

// Run is one run. With findings it is none: it could not be made, or a
// record of it is missing, and no summary counts it.
type Run struct {
	Rule     string           `json:"rule"` // Label of the rule
	Findings []report.Finding `json:"findings,omitempty"`
	Data     *Data            `json:"data,omitempty"`
}

// Summary sums up the runs of one rule, over all load generators. Times are seconds.
type Summary struct {
	Rule string `json:"rule"`
	Runs int    `json:"runs"` // without findings
	// Generators of load in all these runs.
	Generators int      `json:"generators"`
	Requests   int      `json:"requests"`
	Lost       int      `json:"lost"`
	Retries    *int     `json:"retries,omitempty"` // of the generators whose proxy counts them
	Errors     []string `json:"errors,omitempty"`
	// Shifted and Failback are of the generators that saw the end of it; left out when
	// none did. NotShifted and NotBack count the others.
	Shifted    *Spread `json:"shifted,omitempty"`
	Failback   *Spread `json:"failback,omitempty"`
	NotShifted int     `json:"notShifted,omitempty"`
	NotBack    int     `json:"notBack,omitempty"`
	// FirstError is the earliest loss after the fault; left out when there was none.
	FirstError *float64 `json:"firstError,omitempty"`
	Slowest    float64  `json:"slowestMilliseconds"`
}

// Spread is the distribution of a figure over runs and generators, by nearest rank.
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
	return &Spread{Min: slices.Min(of), P50: load.Quantile(of, 0.5), P99: load.Quantile(of, 0.99), Max: slices.Max(of)}
}

func (r *Report) sum(rule string) Summary {
	s := Summary{Rule: rule}
	var shifted, failback []float64
	kinds := map[string]bool{}
	for _, run := range r.Runs {
		if run.Rule != rule || len(run.Findings) > 0 {
			continue
		}
		s.Runs++
		for _, f := range run.Data.Generators {
			s.Generators++
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
		s.Errors = append(s.Errors, report.Clip(kind, 160))
	}
	slices.Sort(s.Errors)
	s.Shifted, s.Failback = spread(shifted), spread(failback)
	return s
}

// JSON writes the report as one indented document.
func (r *Report) JSON(w io.Writer) error { return report.JSON(w, r) }

// Table writes the summary of every rule for a person. remedy says what to do about a
// finding; it may be nil.
func (r *Report) Table(w io.Writer, remedy func(report.Finding) string) error {
	var b strings.Builder
	moving := "the restore began"
	if f, err := fault.Named(r.Drill); err == nil && f.SelfHealing {
		moving = "the run ended"
	}
	fmt.Fprintf(&b, "%s: %d requests at %d/s from each generator in each run; seconds since the fault (first error, shifted) and since the restore began (failback)\n\n", r.Drill, r.Requests, r.Rate)
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
			fmt.Fprintf(&b, "\n%s: %s of %d still lost requests, or got answers of a failed pod, when %s", s.Rule, report.Count(s.NotShifted, "load generator"), s.Generators, moving)
		}
		if s.NotBack > 0 {
			fmt.Fprintf(&b, "\n%s: %s of %d did not get its requests back before the run ended", s.Rule, report.Count(s.NotBack, "load generator"), s.Generators)
		}
	}
	for _, run := range r.Runs {
		for _, f := range run.Findings {
			fmt.Fprintf(&b, "\n%s, a run that does not count: %s", run.Rule, f)
		}
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "\nwarning: %s", f)
		if remedy != nil {
			fmt.Fprintf(&b, "; %s", remedy(f))
		}
	}
	for _, over := range r.OverBudget {
		fmt.Fprintf(&b, "\nover budget: %s", over)
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
