package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/testkit/machine"
)

// writeReport writes medians, ranges and ratios of this run as Markdown. If plan is empty
// it keeps the file's chapter of drills, which has its own date.
func writeReport(path string, arms []*arm, l *lab, plan []*measurement, set *artifacts.Set) error {
	figures := l.figures
	var b bytes.Buffer
	base := median(arms[0].wall)
	fmt.Fprintf(&b, "# Benchmarks\n\nWritten by `make bench` on %s; do not edit.\n\n", time.Now().UTC().Format(time.DateOnly))
	fmt.Fprintf(&b, "Machine: %s. Artifacts: %s, Kubernetes %s, Istio %s, MetalLB %s.\n\n",
		machine.Describe(), set.Source, set.Kubernetes, set.Istio, set.MetalLB)
	fmt.Fprintf(&b, "## Time until both versions answer in both clusters\n\n%d interleaved runs of each arm, each starting without a lab.\n\n", len(arms[0].wall))
	fmt.Fprintf(&b, "| arm | what | median | range | ratio to A |\n|---|---|---:|---:|---:|\n")
	for _, a := range arms {
		m := median(a.wall)
		fmt.Fprintf(&b, "| %s | %s | %.1f s | %.1f–%.1f s | %.2f |\n", a.name, a.title, m.Seconds(),
			slices.Min(a.wall).Seconds(), slices.Max(a.wall).Seconds(), m.Seconds()/base.Seconds())
	}
	b.WriteString("\nDuration of each part (median). The parts of B and C overlap, so their sum exceeds the total duration:\n\n| part |")
	for _, a := range arms {
		fmt.Fprintf(&b, " %s |", a.name)
	}
	b.WriteString("\n|---|" + strings.Repeat("---:|", len(arms)) + "\n")
	for _, part := range partNames(arms) {
		fmt.Fprintf(&b, "| %s |", part)
		for _, a := range arms {
			var of []time.Duration
			for _, p := range a.parts {
				if d, ok := p[part]; ok {
					of = append(of, d)
				}
			}
			if len(of) == 0 {
				b.WriteString(" – |")
				continue
			}
			fmt.Fprintf(&b, " %.1f s |", median(of).Seconds())
		}
		b.WriteString("\n")
	}
	b.WriteString("\n## Operations on a running lab\n\n| operation | median | range |\n|---|---:|---:|\n")
	for _, name := range slices.Sorted(maps.Keys(figures)) {
		of := figures[name]
		fmt.Fprintf(&b, "| %s | %.2f s | %.2f–%.2f s |\n", name, median(of).Seconds(), slices.Min(of).Seconds(), slices.Max(of).Seconds())
	}
	b.WriteString("\n## Memory\n\nMemory of each node after these operations, without the page cache.\n\n| node | median |\n|---|---:|\n")
	for _, node := range slices.Sorted(maps.Keys(l.memory)) {
		fmt.Fprintf(&b, "| %s | %.0f MiB |\n", node, median(l.memory[node])/(1<<20))
	}
	writeTimeline(&b, l.timeline)
	if len(plan) > 0 {
		writeDrills(&b, plan)
	} else if _, chapter, err := cutDrills(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	} else if len(chapter) > 0 {
		b.Write(append([]byte{'\n'}, chapter...))
	}
	return os.WriteFile(path, b.Bytes(), 0o644) //nolint:gosec // a document of the repository
}

// shown is the minimum duration of a resource in the timeline.
const shown = 500 * time.Millisecond

// writeTimeline writes the durations of the resources in one run of arm C.
func writeTimeline(b *bytes.Buffer, timeline []timing) {
	if len(timeline) == 0 {
		return
	}
	byStart := slices.SortedFunc(slices.Values(timeline), func(x, y timing) int { return x.Start.Compare(y.Start) })
	began := byStart[0].Start
	fmt.Fprintf(b, "\n## Duration of resources in `up`\n\nResources of the last run that took %s or longer, of %d resources. Each resource waits for its dependencies.\n\n", shown, len(timeline))
	b.WriteString("| start | end | duration | resource |\n|---:|---:|---:|---|\n")
	for _, t := range byStart {
		if t.Elapsed < shown || component(t.Type) {
			continue
		}
		from := t.Start.Sub(began).Seconds()
		fmt.Fprintf(b, "| %.1f s | %.1f s | %.1f s | %s `%s` |\n", from, from+t.Elapsed.Seconds(), t.Elapsed.Seconds(), t.Name, t.Type)
	}
}

// component reports whether a resource only groups others.
func component(kind string) bool {
	return kind == "pulumi:pulumi:Stack" || strings.HasPrefix(kind, "meshwright:") && !strings.HasPrefix(kind, "meshwright:kind:")
}

// partNames returns the parts of all arms, the slowest first.
func partNames(arms []*arm) []string {
	all := map[string]time.Duration{}
	for _, a := range arms {
		for _, p := range a.parts {
			for name, d := range p {
				all[name] = max(all[name], d)
			}
		}
	}
	names := slices.Sorted(maps.Keys(all))
	slices.SortStableFunc(names, func(x, y string) int { return int(all[y] - all[x]) })
	return names
}

// median returns the median, or zero if there are no values.
func median[N ~int64 | ~float64](of []N) N {
	if len(of) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(of))
	mid := len(s) / 2
	if len(s)%2 == 1 {
		return s[mid]
	}
	return (s[mid-1] + s[mid]) / 2
}
