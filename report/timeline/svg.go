package timeline

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Measures of the drawing, in pixels.
const (
	width      = 960.0
	plotHeight = 300.0
	left       = 64.0
	right      = width - 20
	rowHeight  = 16.0 // of a line of small text
	charWidth  = 6.5  // of small text, on the generous side: there is no font to measure
	headHeight = 58.0 // title and legend
	footHeight = 44.0 // the time axis' labels
)

// Colours of regions: Okabe and Ito's, which the colour-blind can tell apart,
// without its reds.
var palette = []string{"#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#8a6d3b"}

// Marks carry the colours of a light page as attributes, which everything that
// draws SVG knows; the style sheet turns them over where the reader's page is dark.
const (
	soft       = `class="soft" fill="#59636e"`
	grid       = `class="grid" fill="none" stroke="#d1d9e0"`
	eventLine  = `class="event" fill="none" stroke="#59636e" stroke-dasharray="4 3"`
	dots       = `fill="none" stroke-width="4" stroke-linecap="round" stroke-opacity="0.7"`
	lostMark   = `class="lost" fill="none" stroke="#d1242f" stroke-width="2"`
	background = `class="bg" fill="#ffffff"`
	ink        = `fill="#1f2328"`
	font       = `font-family="system-ui, sans-serif" font-size="12"`

	dark = `@media (prefers-color-scheme: dark) { .timeline { fill: #f0f6fc } .timeline .bg { fill: #0d1117 } ` +
		`.timeline .soft { fill: #9198a1 } .timeline .grid { stroke: #3d444d } .timeline .event { stroke: #9198a1 } .timeline .lost { stroke: #ff7b72 } }`
)

// SVG writes the chart: a dot for every answer, coloured by region, over time
// and on a logarithmic axis of latency; a red cross for every request that was
// lost; a labelled line for every event. Equal charts give equal bytes.
func (c Chart) SVG(w io.Writer) error {
	x := c.timeAxis(left, right)
	labels, rows := c.labels(x)
	top := headHeight + float64(rows)*rowHeight + 6
	bottom := top + plotHeight
	height := bottom + footHeight
	regions, lost := c.split()

	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" class="timeline" role="img" viewBox="0 0 %s %s" width="%s" height="%s" %s %s>`+"\n",
		px(width), px(height), px(width), px(height), font, ink)
	fmt.Fprintf(&b, "<title>%s</title>\n<desc>%s</desc>\n<style>%s</style>\n", text(c.Title), text(counts(regions, lost)), dark)
	fmt.Fprintf(&b, `<rect %s width="%s" height="%s"/>`+"\n", background, px(width), px(height))
	fmt.Fprintf(&b, `<text x="%s" y="24" font-size="16" font-weight="600">%s</text>`+"\n", px(left), text(c.Title))
	legend(&b, regions, lost)

	y := c.latencyAxis(bottom, top)
	latencyGrid(&b, y)
	timeGrid(&b, x, top, bottom)
	for i, e := range c.events() {
		at := px(x.at(e.Offset))
		fmt.Fprintf(&b, `<path %s d="M%s %sV%s"/>`+"\n", eventLine, at, px(labels[i].y+4), px(bottom))
		fmt.Fprintf(&b, `<text x="%s" y="%s" text-anchor="%s">%s</text>`+"\n", px(labels[i].x), px(labels[i].y), labels[i].anchor, text(e.Label))
	}
	for i, s := range regions {
		fmt.Fprintf(&b, `<path %s stroke="%s" d="`, dots, palette[i%len(palette)])
		for _, p := range s.points {
			// A line of next to no length with round ends is a dot, and the shortest one.
			fmt.Fprintf(&b, "M%s %sh.01", px(x.at(p.Offset)), px(y.at(p.Latency)))
		}
		b.WriteString("\"/>\n")
	}
	if len(lost.points) > 0 {
		fmt.Fprintf(&b, `<path %s d="`, lostMark)
		for _, p := range lost.points {
			cross(&b, x.at(p.Offset), y.at(p.Latency))
		}
		b.WriteString("\"/>\n")
	}
	if len(regions) == 0 && len(lost.points) == 0 {
		fmt.Fprintf(&b, `<text %s x="%s" y="%s" text-anchor="middle">no requests</text>`+"\n", soft, px((left+right)/2), px((top+bottom)/2))
	}
	b.WriteString("</svg>\n")
	_, err := w.Write(b.Bytes())
	return err
}

// counts is the legend in words.
func counts(regions []series, lost series) string {
	n := len(lost.points)
	var parts []string
	for _, s := range regions {
		n += len(s.points)
		parts = append(parts, fmt.Sprintf("%s %d", s.name, len(s.points)))
	}
	return fmt.Sprintf("%d requests: %s", n, strings.Join(append(parts, fmt.Sprintf("lost %d", len(lost.points))), ", "))
}

// legend is a line of marks with names and counts.
func legend(b *bytes.Buffer, regions []series, lost series) {
	const y = 46.0
	x := left
	entry := func(s series, mark func(x float64)) {
		label := fmt.Sprintf("%s %d", s.name, len(s.points))
		mark(x + 4)
		fmt.Fprintf(b, `<text x="%s" y="%s">%s</text>`+"\n", px(x+12), px(y), text(label))
		x += 12 + float64(utf8.RuneCountInString(label))*charWidth + 16
	}
	for i, s := range regions {
		entry(s, func(x float64) {
			fmt.Fprintf(b, `<circle cx="%s" cy="%s" r="4" fill="%s"/>`+"\n", px(x), px(y-4), palette[i%len(palette)])
		})
	}
	entry(lost, func(x float64) {
		fmt.Fprintf(b, `<path %s d="`, lostMark)
		cross(b, x, y-4)
		b.WriteString("\"/>\n")
	})
}

func cross(b *bytes.Buffer, x, y float64) {
	fmt.Fprintf(b, "M%s %sl6 6m0-6l-6 6", px(x-3), px(y-3))
}

func latencyGrid(b *bytes.Buffer, y axis) {
	for decade := y.from; decade <= y.to; decade++ {
		at := px(y.at(math.Pow(10, decade)))
		fmt.Fprintf(b, `<path %s d="M%s %sH%s"/>`+"\n", grid, px(left), at, px(right))
		fmt.Fprintf(b, `<text %s x="%s" y="%s" dy="4" text-anchor="end">%s</text>`+"\n", soft, px(left-8), at, latencyLabel(int(decade)))
	}
}

// latencyLabel names 10 to the power of decade milliseconds.
func latencyLabel(decade int) string {
	if decade >= 3 {
		return strconv.FormatFloat(math.Pow10(decade-3), 'f', -1, 64) + " s"
	}
	return strconv.FormatFloat(math.Pow10(decade), 'f', -1, 64) + " ms"
}

func timeGrid(b *bytes.Buffer, x axis, top, bottom float64) {
	for _, t := range x.ticks(12) {
		at := px(x.at(t))
		fmt.Fprintf(b, `<path %s d="M%s %sV%s"/>`+"\n", grid, at, px(top), px(bottom))
		fmt.Fprintf(b, `<text %s x="%s" y="%s" text-anchor="middle">%s s</text>`+"\n",
			soft, at, px(bottom+18), strconv.FormatFloat(math.Round(t*1e6)/1e6, 'f', -1, 64))
	}
	fmt.Fprintf(b, `<text %s x="%s" y="%s" text-anchor="middle">time since the start; latency on a logarithmic axis</text>`+"\n",
		soft, px((x.start+x.end)/2), px(bottom+36))
}

// label is where an event's text goes.
type label struct {
	x, y   float64
	anchor string
}

// events are those that have a place on the axis, in order of time.
func (c Chart) events() []Event {
	out := slices.DeleteFunc(slices.Clone(c.Events), func(e Event) bool { return math.IsNaN(e.Offset) || math.IsInf(e.Offset, 0) })
	slices.SortStableFunc(out, func(a, b Event) int { return cmp.Compare(a.Offset, b.Offset) })
	return out
}

// labels places the events' texts in as few rows as keep them apart.
func (c Chart) labels(x axis) (places []label, rows int) {
	var ends []float64 // of the last text in each row
	for _, e := range c.events() {
		at, wide := x.at(e.Offset), float64(utf8.RuneCountInString(e.Label))*charWidth
		from, anchor := at, "start"
		if at+wide > right {
			from, anchor = at-wide, "end"
		}
		row := slices.IndexFunc(ends, func(end float64) bool { return end+8 <= from })
		if row < 0 {
			row = len(ends)
			ends = append(ends, 0)
		}
		ends[row] = from + wide
		places = append(places, label{x: at, y: headHeight + float64(row+1)*rowHeight - 4, anchor: anchor})
	}
	return places, len(ends)
}

// px renders pixels to a tenth.
func px(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

// text escapes what a user or a cluster named; what XML cannot hold is replaced.
func text(s string) string {
	var b bytes.Buffer
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return "" // a buffer takes everything
	}
	return b.String()
}
