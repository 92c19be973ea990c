package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/testkit/machine"
	"github.com/meshwright/meshwright/report"
	"github.com/meshwright/meshwright/test/faults/matrix"
)

// Where the figures go.
const (
	reportFile = "docs/conformance.md"
	modelsFile = "docs/models.md"
)

// title says what was taken, when and where.
func title(ctx context.Context, set *artifacts.Set) (string, error) {
	commit, err := revision(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("Commit %s, %s. Machine: %s.\nArtifacts: %s, Kubernetes %s, Istio %s, MetalLB %s.",
		commit, time.Now().UTC().Format(time.DateOnly), machine.Describe(), set.Source, set.Kubernetes, set.Istio, set.MetalLB), nil
}

// writeReports writes the report and, unless it goes elsewhere, the table of costs
// in the description of the models: figures of a run in which something was wrong
// would take the place of good ones.
func writeReports(title, out string, results []*result) error {
	if out != "" {
		return os.WriteFile(out, render(title, results), 0o644) //nolint:gosec // a document
	}
	if err := os.WriteFile(reportFile, render(title, results), 0o644); err != nil { //nolint:gosec // a document of the repository
		return err
	}
	if slices.ContainsFunc(results, func(r *result) bool { return len(r.Failures) > 0 }) {
		return nil
	}
	models, err := os.ReadFile(modelsFile)
	if err != nil {
		return err
	}
	models, err = replaceSection(models, "measured", costs(results))
	if err != nil {
		return fmt.Errorf("%s: %w", modelsFile, err)
	}
	return os.WriteFile(modelsFile, models, 0o644) //nolint:gosec // a document of the repository
}

// revision is the commit that was taken, marked if the work tree differs from it.
func revision(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "", fmt.Errorf("git rev-parse: %w", err)
	}
	changed, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--untracked-files=no").Output()
	if err != nil {
		return "", fmt.Errorf("git status: %w", err)
	}
	commit := "`" + strings.TrimSpace(string(out)) + "`"
	if len(bytes.TrimSpace(changed)) > 0 {
		commit += " with changes"
	}
	return commit, nil
}

// replaceSection puts text between the markers of a generated section.
func replaceSection(document []byte, name, text string) ([]byte, error) {
	begin, end := []byte("<!-- "+name+": begin -->\n"), []byte("<!-- "+name+": end -->")
	i, j := bytes.Index(document, begin), bytes.Index(document, end)
	if i < 0 || j < i {
		return nil, errors.New("no markers of the section " + name)
	}
	i += len(begin)
	return slices.Concat(document[:i], []byte(text), document[j:]), nil
}

// costs is the table that compares the models.
func costs(results []*result) string {
	var b strings.Builder
	b.WriteString("| stack | model | up | memory of all nodes | local request p50 / p99 | cross-cluster request p50 / p99 |\n|---|---|---:|---:|---:|---:|\n")
	for _, r := range results {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", r.Stack.name, r.Stack.model, secs(r.Up), memoryOf(r.Memory), r.Local, r.Cross)
	}
	return b.String()
}

// summary is for the terminal.
func summary(results []*result) string {
	var b strings.Builder
	for _, r := range results {
		fmt.Fprintf(&b, "%-4s  %-22s up %s, verify %s, destroy %s\n", verdict(r), r.Stack.name, secs(r.Up), secs(r.Verify), secs(r.Destroy))
	}
	return b.String()
}

func verdict(r *result) string {
	if len(r.Failures) > 0 {
		return "FAIL"
	}
	return "pass"
}

// render writes the whole report.
func render(title string, results []*result) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Conformance of the models\n\nWritten by `make conformance`; do not edit.\n\n%s\n\n", title)
	b.WriteString("Each stack is created, verified, measured and destroyed. The test fails if anything remains after that.\n\n")
	b.WriteString("| stack | verdict | up | verify | checks | memory of all nodes | answers after a restart | destroy |\n|---|---|---:|---:|---|---:|---:|---:|\n")
	for _, r := range results {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s | %s | %s | %s | %s | %s |\n", r.Stack.name, r.Stack.name, verdict(r),
			secs(r.Up), secs(r.Verify), tallyOf(r.Report), memoryOf(r.Memory), restartOf(r.Restart), secs(r.Destroy))
	}
	b.WriteString("\nMemory excludes the page cache. Latency is measured with sequential requests from the first cluster's client, on open connections.\n")
	for _, r := range results {
		renderOne(&b, r)
	}
	return b.Bytes()
}

func renderOne(b *bytes.Buffer, r *result) {
	fmt.Fprintf(b, "\n## %s\n\n%s.\n", r.Stack.name, upper(r.Stack.model))
	if len(r.Failures) > 0 {
		b.WriteString("\nFailures:\n\n")
		for _, f := range r.Failures {
			fmt.Fprintf(b, "- %s\n", strings.ReplaceAll(strings.TrimSpace(f), "\n", "\n  "))
		}
	}
	if r.Report != nil {
		b.WriteString("\n| check | result | time | summary |\n|---|---|---:|---|\n")
		for _, c := range r.Report.Checks {
			what := string(c.Status)
			if c.Reason != "" {
				what += " " + string(c.Reason)
			}
			fmt.Fprintf(b, "| %s | %s | %.1f s | %s |\n", c.ID, what, c.Seconds, strings.ReplaceAll(c.Summary, "|", "\\|"))
		}
	}
	if r.Local.N > 0 {
		fmt.Fprintf(b, "\nLatency p50 / p99: %s of %d requests answered in the client's own cluster, %s of %d requests answered in another cluster.\n",
			r.Local, r.Local.N, r.Cross, r.Cross.N)
	}
	if len(r.Memory) > 0 {
		b.WriteString("\n| node | memory |\n|---|---:|\n")
		for _, m := range r.Memory {
			fmt.Fprintf(b, "| %s | %.0f MiB |\n", strings.TrimPrefix(m.Container, labName+"-"), m.Bytes/(1<<20))
		}
	}
	if r.Restart != nil {
		renderRestart(b, r.Restart)
	}
	if len(r.Faults) > 0 {
		renderFaults(b, r.Faults)
	}
}

func renderFaults(b *bytes.Buffer, rows []matrix.Row) {
	b.WriteString("\nFaults. All checks pass before and after each fault:\n\n| fault | failed checks | until detected | restore | until passed |\n|---|---|---:|---:|---:|\n")
	for _, r := range rows {
		fmt.Fprintf(b, "| `%s`: %s | %s | %.1f s | %.1f s | %.1f s |\n", r.Fault, r.Title, turned(r), r.Seen, r.Restore, r.Green)
	}
}

func renderRestart(b *bytes.Buffer, r *restart) {
	fmt.Fprintf(b, "\nAll nodes were stopped (%s) and started in reverse order, to change their addresses: ", secs(r.Stop))
	var moves []string
	for _, node := range slices.Sorted(maps.Keys(r.Before)) {
		moves = append(moves, fmt.Sprintf("%s %s to %s", strings.TrimPrefix(node, labName+"-"), r.Before[node], r.After[node]))
	}
	fmt.Fprintf(b, "%s. Time since the first node started:\n\n| time | cluster | event |\n|---:|---|---|\n", strings.Join(moves, ", "))
	for _, p := range r.Phases {
		at := "never"
		if p.At > 0 {
			at = secs(p.At)
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", at, p.Cluster, p.What)
	}
}

// String is "p50 / p99" in milliseconds.
func (l latency) String() string {
	if l.N == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f / %.1f ms", l.P50, l.P99)
}

func secs(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func memoryOf(list []docker.Usage) string {
	if len(list) == 0 {
		return "–"
	}
	sum := 0.0
	for _, m := range list {
		sum += m.Bytes
	}
	return fmt.Sprintf("%.0f MiB", sum/(1<<20))
}

func restartOf(r *restart) string {
	switch {
	case r == nil:
		return "–"
	case r.Answers == 0:
		return "never"
	}
	return secs(r.Answers)
}

// tallyOf counts a report's checks by outcome.
func tallyOf(r *report.Report) string {
	if r == nil {
		return "–"
	}
	n := map[report.Status]int{}
	for _, c := range r.Checks {
		n[c.Status]++
	}
	var parts []string
	for _, s := range []report.Status{report.Passed, report.Warned, report.Skipped, report.Failed} {
		if n[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[s], s))
		}
	}
	return strings.Join(parts, ", ")
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
