package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/testkit/machine"
)

// writeReport renders medians, spreads and ratios as Markdown. Everything in it
// was measured in this run, but for the chapter of drills where plan is empty: that
// one is kept, with its own date.
func writeReport(path string, arms []*arm, l *lab, plan []*measurement, set *artifacts.Set) error {
	figures := l.figures
	var b bytes.Buffer
	base := median(arms[0].wall)
	fmt.Fprintf(&b, "# Benchmarks\n\nWritten by `make bench` on %s; do not edit.\n\n", time.Now().UTC().Format(time.DateOnly))
	fmt.Fprintf(&b, "Machine: %s. Artifacts: %s, Kubernetes %s, Istio %s, MetalLB %s.\n\n",
		machine.Describe(), set.Source, set.Kubernetes, set.Istio, set.MetalLB)
	fmt.Fprintf(&b, "## From nothing to both versions answering in both clusters\n\n%d interleaved runs of each.\n\n", len(arms[0].wall))
	fmt.Fprintf(&b, "| arm | what | median | range | ratio to A |\n|---|---|---:|---:|---:|\n")
	for _, a := range arms {
		m := median(a.wall)
		fmt.Fprintf(&b, "| %s | %s | %.1f s | %.1f–%.1f s | %.2f |\n", a.name, a.title, m.Seconds(),
			slices.Min(a.wall).Seconds(), slices.Max(a.wall).Seconds(), m.Seconds()/base.Seconds())
	}
	b.WriteString("\nWhere the time goes (median of each part; parts of B and C overlap, so they add up to more than the wall time):\n\n| part |")
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
	b.WriteString("\n## A running lab\n\n| operation | median | range |\n|---|---:|---:|\n")
	for _, name := range sortedKeys(figures) {
		of := figures[name]
		fmt.Fprintf(&b, "| %s | %.2f s | %.2f–%.2f s |\n", name, median(of).Seconds(), slices.Min(of).Seconds(), slices.Max(of).Seconds())
	}
	b.WriteString("\n## Memory\n\nOf each node, without the page cache, after the operations above.\n\n| node | median |\n|---|---:|\n")
	for _, node := range sortedKeys(l.memory) {
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

// shown is the least that a resource must take to stand in the timeline.
const shown = 500 * time.Millisecond

// writeTimeline says where the seconds of one run of arm C went.
func writeTimeline(b *bytes.Buffer, timeline []timing) {
	if len(timeline) == 0 {
		return
	}
	byStart := slices.SortedFunc(slices.Values(timeline), func(x, y timing) int { return x.Start.Compare(y.Start) })
	began := byStart[0].Start
	fmt.Fprintf(b, "\n## Where the seconds of `up` go\n\nResources of the last run that took %s or longer, of %d. A row waits for those before it that it needs.\n\n", shown, len(timeline))
	b.WriteString("| from | to | took | resource |\n|---:|---:|---:|---|\n")
	for _, t := range byStart {
		if t.Elapsed < shown || component(t.Type) {
			continue
		}
		from := t.Start.Sub(began).Seconds()
		fmt.Fprintf(b, "| %.1f s | %.1f s | %.1f s | %s `%s` |\n", from, from+t.Elapsed.Seconds(), t.Elapsed.Seconds(), t.Name, t.Type)
	}
}

// component tells what only groups resources: it takes as long as they do.
func component(kind string) bool {
	return kind == "pulumi:pulumi:Stack" || strings.HasPrefix(kind, "meshwright:") && !strings.HasPrefix(kind, "meshwright:kind:")
}

// partNames lists the parts of all arms in order of first appearance by cost.
func partNames(arms []*arm) []string {
	all := map[string]time.Duration{}
	for _, a := range arms {
		for _, p := range a.parts {
			for name, d := range p {
				all[name] = max(all[name], d)
			}
		}
	}
	names := sortedKeys(all)
	slices.SortStableFunc(names, func(x, y string) int { return int(all[y] - all[x]) })
	return names
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// median of an odd or even number of durations; zero of none.
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
