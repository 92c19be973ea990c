// Package timeline draws the requests of a timed run over time, as one SVG that
// needs nothing else: no fonts, no scripts, and legible on light and dark.
package timeline

import (
	"cmp"
	"math"
	"slices"
)

// Chart is what is drawn.
type Chart struct {
	Title  string
	Points []Point
	Events []Event
}

// Point is one request.
type Point struct {
	Offset  float64 // seconds since the run began
	Latency float64 // milliseconds
	Region  string  // that answered; "" for unknown
	OK      bool    // false: lost, whatever answered
}

// Event is something that happened during the run.
type Event struct {
	Offset float64 // seconds since the run began
	Label  string
}

// unknown stands for a region without a name.
const unknown = "unknown region"

// series are the answers of one region, or the lost requests.
type series struct {
	name   string
	points []Point
}

// split groups answers by region, sorted by name, and keeps the lost apart.
// Points that have no place on the axes are left out: their offset is no number.
func (c Chart) split() (regions []series, lost series) {
	lost.name = "lost"
	for _, p := range c.Points {
		if math.IsNaN(p.Offset) || math.IsInf(p.Offset, 0) {
			continue
		}
		if !p.OK {
			lost.points = append(lost.points, p)
			continue
		}
		name := cmp.Or(p.Region, unknown)
		i := slices.IndexFunc(regions, func(s series) bool { return s.name == name })
		if i < 0 {
			i = len(regions)
			regions = append(regions, series{name: name})
		}
		regions[i].points = append(regions[i].points, p)
	}
	slices.SortFunc(regions, func(a, b series) int { return cmp.Compare(a.name, b.name) })
	return regions, lost
}

// axis maps values to pixels, linearly or by powers of ten.
type axis struct {
	from, to   float64 // values; powers of ten's exponents when log is set
	start, end float64 // pixels
	log        bool
}

func (a axis) at(v float64) float64 {
	if a.log {
		v = math.Log10(v)
		if math.IsNaN(v) { // of a negative number
			v = a.from
		}
	}
	v = min(max(v, a.from), a.to)
	return a.start + (v-a.from)/(a.to-a.from)*(a.end-a.start)
}

// timeAxis spans all points and events, and the start of the run.
func (c Chart) timeAxis(start, end float64) axis {
	a := axis{start: start, end: end}
	include := func(v float64) {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			a.from, a.to = min(a.from, v), max(a.to, v)
		}
	}
	for _, p := range c.Points {
		include(p.Offset)
	}
	for _, e := range c.Events {
		include(e.Offset)
	}
	if a.to == a.from {
		a.to = a.from + 1
	}
	return a
}

// The decades that the latency axis can show: 10 microseconds to 1,000 seconds,
// in powers of ten of a millisecond.
const (
	leastDecade = -2
	mostDecade  = 6
)

// latencyAxis spans whole decades around all points, one at least. It grows
// upwards.
func (c Chart) latencyAxis(bottom, top float64) axis {
	low, high := float64(mostDecade), float64(leastDecade)
	for _, p := range c.Points {
		if v := math.Log10(p.Latency); !math.IsNaN(v) {
			low, high = min(low, math.Floor(v)), max(high, math.Ceil(v))
		}
	}
	if low > high { // no points
		low, high = 0, 3
	}
	low = min(max(low, leastDecade), mostDecade-1)
	high = max(min(high, mostDecade), low+1)
	return axis{from: low, to: high, start: bottom, end: top, log: true}
}

// ticks are round values of a linear axis, at most most of them.
func (a axis) ticks(most int) []float64 {
	span := a.to - a.from
	step := math.Pow(10, math.Floor(math.Log10(span/float64(most))))
	for _, factor := range []float64{1, 2, 5, 10} {
		if span/(step*factor) <= float64(most) {
			step *= factor
			break
		}
	}
	var out []float64
	for n := math.Ceil(a.from / step); n*step <= a.to; n++ {
		out = append(out, n*step)
	}
	return out
}
