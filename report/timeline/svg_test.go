package timeline

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/testkit/golden"
)

func draw(t *testing.T, c Chart) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.SVG(&b); err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(strings.NewReader(b.String())); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return b.String()
		} else if err != nil {
			t.Fatalf("not well-formed: %v\n%s", err, b.String())
		}
	}
}

// drain is a run of 20 s whose answers move from one region to another.
func drain() Chart {
	c := Chart{
		Title: "drain of helloworld in region1",
		Events: []Event{
			{Offset: 18, Label: "restored"},
			{Offset: 8, Label: "drain: POST /drain_listeners?graceful"},
			{Offset: 8.5, Label: "first answer of region2"},
		},
	}
	for i := range 40 {
		p := Point{Offset: float64(i) / 2, Latency: 4 + float64(i%7), Region: "region1", OK: true}
		if p.Offset >= 8 {
			p.Region, p.Latency = "region2", 11+float64(i%5)
		}
		if i == 16 {
			p = Point{Offset: p.Offset, Latency: 2003}
		}
		c.Points = append(c.Points, p)
	}
	return c
}

func TestGolden(t *testing.T) {
	cases := map[string]Chart{"drain": drain(), "empty": {Title: "nothing"}}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := draw(t, c)
			golden.Compare(t, filepath.Join("testdata", name+".svg"), []byte(got))
			if got != draw(t, c) {
				t.Error("equal charts are drawn differently")
			}
		})
	}
}

func TestMarks(t *testing.T) {
	got := draw(t, drain())
	for mark, want := range map[string]int{`M[\d.]+ [\d.]+h\.01`: 39, `l6 6m0-6l-6 6`: 2 /* the legend's, and one */} {
		if n := len(regexp.MustCompile(mark).FindAllString(got, -1)); n != want {
			t.Errorf("%d marks %s, want %d", n, mark, want)
		}
	}
	for _, part := range []string{"40 requests: region1 16, region2 23, lost 1", ">region1 16<", ">lost 1<", ">restored<", ">10 ms<", ">1 s<"} {
		if !strings.Contains(got, part) {
			t.Errorf("the drawing lacks %q", part)
		}
	}
}

func TestForeignTextIsEscaped(t *testing.T) {
	evil := "</title><script>alert(1)</script>\x00\x1b[31m \"&' \xff"
	got := draw(t, Chart{
		Title:  evil,
		Points: []Point{{Offset: 1, Latency: 1, Region: evil, OK: true}},
		Events: []Event{{Offset: 1, Label: evil}},
	})
	if strings.Contains(got, "<script") || strings.ContainsAny(got, "\x00\x1b") {
		t.Errorf("foreign text got through:\n%s", got)
	}
	for _, outside := range []string{"http://", "https://", "@import", "url("} {
		if strings.Contains(strings.ReplaceAll(got, `xmlns="http://www.w3.org/2000/svg"`, ""), outside) {
			t.Errorf("the drawing asks for something: %s", outside)
		}
	}
}

func TestOddValuesStayOnTheDrawing(t *testing.T) {
	c := Chart{Title: "odd"}
	values := []float64{0, -1, 1e-9, 1e12, math.NaN(), math.Inf(1), math.Inf(-1)}
	for _, v := range values {
		c.Points = append(c.Points, Point{Offset: 1, Latency: v, OK: true}, Point{Offset: v, Latency: 1})
		c.Events = append(c.Events, Event{Offset: v, Label: "event"})
	}
	got := draw(t, c)
	if strings.Contains(got, "NaN") || strings.Contains(got, "Inf") {
		t.Errorf("a value that is no number was drawn:\n%s", got)
	}
	for _, m := range regexp.MustCompile(`M(-?[\d.]+) (-?[\d.]+)h\.01`).FindAllStringSubmatch(got, -1) {
		if strings.HasPrefix(m[1], "-") || strings.HasPrefix(m[2], "-") {
			t.Errorf("a dot outside of the drawing: %v", m)
		}
	}
}

func TestTicks(t *testing.T) {
	cases := map[string]struct {
		from, to float64
		want     []float64
	}{
		"a minute":   {0, 60, []float64{0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60}},
		"an hour":    {0, 3600, []float64{0, 500, 1000, 1500, 2000, 2500, 3000, 3500}},
		"from below": {-1, 5, []float64{-1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := axis{from: c.from, to: c.to}.ticks(12)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("ticks (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLabelsDoNotOverlap(t *testing.T) {
	c := Chart{Events: []Event{{0, "a long label of the first"}, {0.1, "second"}, {10, "the last, at the right edge"}, {10, "the very last"}}}
	x := c.timeAxis(left, right)
	places, rows := c.labels(x)
	if rows != 2 {
		t.Errorf("%d rows", rows)
	}
	if !slices.ContainsFunc(places, func(l label) bool { return l.anchor == "end" }) {
		t.Error("a label at the right edge is written beyond it")
	}
}
