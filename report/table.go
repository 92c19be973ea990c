package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/lipgloss/table"
	"github.com/muesli/termenv"
)

// Table writes the report for a person: one row per check, then what is wrong
// and what to do.
func (r *Report) Table(w io.Writer, o Options) error {
	s := newStyles(w, o.Color)
	t := table.New().
		Border(lipgloss.HiddenBorder()).BorderTop(false).BorderBottom(false).
		BorderLeft(false).BorderRight(false).BorderHeader(false).
		StyleFunc(func(row, col int) lipgloss.Style {
			style := s.plain
			switch {
			case row == table.HeaderRow:
				style = s.faint
			case col == 0 && row >= 0 && row < len(r.Checks):
				style = s.of(r.Checks[row].Status)
			}
			return style.PaddingRight(1)
		}).
		Headers("", "CHECK", "RESULT", "TIME")
	for _, c := range r.Checks {
		t.Row(string(c.Status), c.ID, wrap(c.line(o), 100), fmt.Sprintf("%.1fs", c.Seconds))
	}
	var b strings.Builder
	b.WriteString(trimLines(t.Render()))
	b.WriteString("\n")
	for _, c := range r.Checks {
		c.detail(&b, s, o)
	}
	fmt.Fprintf(&b, "\nverdict: %s %s\n", s.of(Status(r.Verdict)).Render(r.Verdict), s.faint.Render(fmt.Sprintf("(%s in %.1fs)", r.Tally(), r.Seconds)))
	_, err := io.WriteString(w, b.String())
	return err
}

// line is the check's cell in the table.
func (c Result) line(o Options) string {
	switch c.Status {
	case Passed:
		line := c.Summary
		if c.Attempts > 1 {
			line += fmt.Sprintf(" (attempt %d)", c.Attempts)
		}
		return line
	case Skipped:
		return "skipped: " + c.skip(o)
	case Failed, Warned:
	}
	return string(c.Reason) + " (see below)"
}

// skip says why the check was skipped, and what to do.
func (c Result) skip(o Options) string {
	if remedy := o.remedy(c); remedy != "" {
		return c.Summary + "; " + remedy
	}
	return c.Summary
}

// A table shows what matters first; everything is in the JSON.
const (
	tableFindings = 6
	tableEvidence = 2
)

// detail is what is wrong in a check that did not pass, the evidence, and what to
// do.
func (c Result) detail(b *strings.Builder, s styles, o Options) {
	if len(c.Findings) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s %s (%s)\n", s.of(c.Status).Render(string(c.Status)), s.bold.Render(c.ID), c.Title)
	for i, f := range c.Findings {
		if i == tableFindings {
			fmt.Fprintf(b, "  and %d more\n", len(c.Findings)-i)
			break
		}
		fmt.Fprintf(b, "  %s  %s\n", f.Reason, f)
	}
	for i, e := range c.Evidence {
		if i == tableEvidence {
			fmt.Fprintf(b, "  %s\n", s.faint.Render(fmt.Sprintf("-- %d more pieces of evidence in the JSON report", len(c.Evidence)-i)))
			break
		}
		fmt.Fprintf(b, "  %s\n", s.faint.Render("-- "+e.Heading()))
		for _, line := range few(e, 6) {
			fmt.Fprintf(b, "  %s\n", s.faint.Render("   "+Clip(line, 160)))
		}
	}
	if remedy := o.remedy(c); remedy != "" {
		fmt.Fprintf(b, "  remedy: %s\n", remedy)
	}
}

// Tally counts outcomes, as "3 passed, 1 failed".
func (r *Report) Tally() string {
	n := map[Status]int{}
	for _, c := range r.Checks {
		n[c.Status]++
	}
	var parts []string
	for _, s := range []struct {
		status Status
		word   string
	}{{Passed, "passed"}, {Failed, "failed"}, {Warned, "with warnings"}, {Skipped, "skipped"}} {
		if n[s.status] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[s.status], s.word))
		}
	}
	return strings.Join(parts, ", ")
}

type styles struct {
	plain, faint, bold, good, bad, odd lipgloss.Style
}

func newStyles(w io.Writer, color bool) styles {
	r := lipgloss.NewRenderer(w)
	r.SetColorProfile(termenv.Ascii)
	if color {
		r.SetColorProfile(termenv.ANSI)
	}
	plain := r.NewStyle()
	return styles{
		plain: plain, faint: plain.Faint(color), bold: plain.Bold(color),
		good: plain.Foreground(lipgloss.Color("2")), bad: plain.Foreground(lipgloss.Color("1")).Bold(color),
		odd: plain.Foreground(lipgloss.Color("3")),
	}
}

func (s styles) of(status Status) lipgloss.Style {
	switch status {
	case Passed:
		return s.good
	case Failed:
		return s.bad
	}
	return s.odd
}

// few picks n lines: the first of a request log, which has its failures first,
// and the last of everything else.
func few(e Evidence, n int) []string {
	lines := strings.Split(strings.TrimRight(e.Content, "\n"), "\n")
	if e.Kind == EvidenceRequests {
		return lines[:min(n, len(lines))]
	}
	return lines[max(0, len(lines)-n):]
}
