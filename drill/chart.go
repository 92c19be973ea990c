package drill

import (
	"fmt"

	"github.com/meshwright/meshwright/report/timeline"
)

// RuleChart is the timeline of one run.
type RuleChart struct {
	Rule  string
	Chart timeline.Chart
}

// Charts draws the last run of every rule, as its mesh client saw it.
func (r *Report) Charts() []RuleChart {
	var out []RuleChart
	for _, s := range r.Rules {
		for i := len(r.Runs) - 1; i >= 0; i-- {
			if run := r.Runs[i]; run.Rule == s.Rule && len(run.Findings) == 0 {
				out = append(out, RuleChart{Rule: s.Rule, Chart: run.Data.chart(s.Rule)})
				break
			}
		}
	}
	return out
}

func (d *Data) chart(rule string) timeline.Chart {
	f := d.Generators[0]
	c := timeline.Chart{Title: fmt.Sprintf("%s of %s under rule %s: %d requests via %s at %d/s, %d lost",
		d.Fault, d.Region, rule, f.Recorded, f.Via, d.Rate, f.Lost)}
	for _, p := range f.Points {
		c.Points = append(c.Points, timeline.Point{Offset: p.At, Latency: p.Latency, Region: p.Region, OK: p.Lost == ""})
	}
	for _, e := range d.Events {
		c.Events = append(c.Events, timeline.Event{Offset: e.At, Label: e.What})
	}
	return c
}
