package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/meshwright/meshwright/drill"
)

// measurement is one drill of a failing region.
type measurement struct {
	title string
	args  []string
	// report is set after the run.
	report *drill.Report
}

// immeasurable are the parts of the zero-loss profile that have no effect under these
// faults: no application answers 500 (ADR 18).
var immeasurable = []string{"gateway-errors"}

// drillPlan returns the drills that measure failover: both profiles under every fault,
// each part of the zero-loss profile, and long runs. With repeat 2 they take about 25
// minutes.
func drillPlan(repeat int) []*measurement {
	runs := []string{"--repeat", strconv.Itoa(repeat)}
	with := func(args ...[]string) []string { return slices.Concat(args...) }
	both := with(runs, []string{"--profile", "article,zero-loss", "--requests", "1500"})
	graceful, kill := []string{"--fault", "graceful"}, []string{"--fault", "kill"}
	parts := slices.DeleteFunc(drill.TuningNames(), func(p string) bool { return slices.Contains(immeasurable, p) })
	var adding []string
	for i := range parts {
		adding = append(adding, "--tuning", strings.Join(parts[:i+1], ","))
	}
	long := []string{"--requests", "10000"}
	return []*measurement{
		{title: "Both profiles, sidecars drained", args: both},
		{title: "Both profiles, sidecars drained gracefully", args: with(graceful, both)},
		{title: "Both profiles, pods killed", args: with(kill, both)},
		// What a drain needs is its first part; the others are for harder faults.
		{title: "One part added at a time, sidecars drained", args: with(runs, []string{"--requests", "1500"}, adding[:4])},
		{title: "One part added at a time, pods killed", args: with(runs, kill, []string{"--requests", "1000"}, adding)},
		{title: "10,000 requests, sidecars drained", args: long},
		{title: "10,000 requests, pods killed", args: with(kill, long)},
	}
}

// drills creates a lab, runs the plan on it and destroys it. It draws the timelines of
// the first drill, one for each profile, next to svg.
func (l *lab) drills(ctx context.Context, plan []*measurement, svg string) (err error) {
	defer func() {
		_, derr := l.meshwright(context.WithoutCancel(ctx), "destroy")
		err = errors.Join(err, derr)
	}()
	if _, err := l.meshwright(ctx, "up"); err != nil {
		return err
	}
	for i, d := range plan {
		args := append([]string{"drill", "drain", "--output", "json"}, d.args...)
		if i == 0 {
			args = append(args, "--svg", svg)
		}
		done, err := l.meshwright(ctx, args...)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(done.Stdout, &d.report); err != nil {
			return fmt.Errorf("drill drain --output json: %w", err)
		}
		if err := complete(d.report); err != nil {
			return fmt.Errorf("%s: %w", d.title, err)
		}
		fmt.Fprintf(os.Stderr, "drill  %6.1f s  %s\n", done.Took.Seconds(), d.title)
	}
	return nil
}

// complete returns an error if a drill did not run as planned.
func complete(r *drill.Report) error {
	if r.Requests == 0 || len(r.Rules) == 0 {
		return errors.New("nothing was measured")
	}
	for _, s := range r.Rules {
		if s.Runs < r.Repeat {
			return fmt.Errorf("rule %s: %d of %d runs", s.Rule, s.Runs, r.Repeat)
		}
	}
	findings := slices.Clone(r.Findings)
	for _, run := range r.Runs {
		findings = append(findings, run.Findings...)
	}
	if len(findings) > 0 {
		return fmt.Errorf("%s: %s", findings[0].Reason, findings[0].Message)
	}
	return nil
}

const drillsTitle = "## Failover under load"

// replaceDrills replaces the last chapter of an existing report.
func replaceDrills(path string, plan []*measurement) error {
	rest, _, err := cutDrills(path)
	if err != nil {
		return err
	}
	b := bytes.NewBuffer(append(bytes.TrimSpace(rest), '\n'))
	writeDrills(b, plan)
	return os.WriteFile(path, b.Bytes(), 0o644) //nolint:gosec // a document of the repository
}

// cutDrills splits an existing report before its chapter of drills, which is empty if the
// report has none.
func cutDrills(path string) (rest, chapter []byte, err error) {
	old, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	rest, chapter, found := bytes.Cut(old, []byte(drillsTitle))
	if found {
		chapter = append([]byte(drillsTitle), chapter...)
	}
	return rest, chapter, nil
}

func writeDrills(b *bytes.Buffer, plan []*measurement) {
	b.WriteString("\n" + drillsTitle + "\n\nMeasured on " + time.Now().UTC().Format(time.DateOnly) +
		". Open-loop load from a client in the failing region and through its ingress; see failover.md for the method. " +
		"Moved: time from the fault until the last request that was lost or answered by a failed pod. Back: time from the start of the repair " +
		"(for a killed pod: from the fault) until the last request that was not answered in its own region. \"Not seen\": not before the " +
		"repair, or before the end of the run. p50 and p99 are of the load generators that saw the change.\n")
	for _, d := range plan {
		fmt.Fprintf(b, "\n### %s\n\n%d requests at %d/s from each of two load generators in each run.\n\n", d.title, d.report.Requests, d.report.Rate)
		b.WriteString("| rule | runs | requests | lost | retried | first error | moved, p50 / p99 | back, p50 / p99 | slowest |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n")
		for _, s := range d.report.Rules {
			retried, first := "not counted", "–"
			if s.Retries != nil {
				retried = strconv.Itoa(*s.Retries)
			}
			if s.FirstError != nil {
				first = fmt.Sprintf("%.2f s", *s.FirstError)
			}
			fmt.Fprintf(b, "| %s | %d | %d | %d | %s | %s | %s | %s | %.0f ms |\n",
				s.Rule, s.Runs, s.Requests, s.Lost, retried, first, times(s.Shifted, s.NotShifted, s.Generators), times(s.Failback, s.NotBack, s.Generators), s.Slowest)
		}
	}
}

// times formats a cell: the percentiles of the load generators that saw the end of a
// change, and the number of those that did not.
func times(s *drill.Spread, not, generators int) string {
	switch {
	case s == nil:
		return "not seen"
	case not > 0:
		return fmt.Sprintf("%.2f / %.2f s; %d of %d not seen", s.P50, s.P99, not, generators)
	}
	return fmt.Sprintf("%.2f / %.2f s", s.P50, s.P99)
}
