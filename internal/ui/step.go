package ui

import (
	"fmt"
	"strings"
	"time"
)

// Step is one piece of work in progress. A nil *Step is valid and silent.
type Step struct {
	p      *Printer
	title  string
	detail string
	began  time.Time
	told   time.Time // when a plain log last heard of it
	ended  bool
}

// Update sets the detail shown beside a live line. A plain log shows it only
// in the next reminder.
func (s *Step) Update(detail string) {
	if s == nil {
		return
	}
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	s.detail = oneLine(detail)
}

// Done ends the step well; note may be empty.
func (s *Step) Done(note string) { s.end("done", "✓", green, note) }

// Skip ends a step that had nothing to do; note says why.
func (s *Step) Skip(note string) { s.end("skip", "-", faint, note) }

// Fail ends the step badly. Only the first line of err is shown: whoever
// handles the error prints the rest.
func (s *Step) Fail(err error) {
	note := ""
	if err != nil {
		note = oneLine(err.Error())
	}
	s.end("fail", "✗", red, note)
}

func (s *Step) end(event, mark, color, note string) {
	if s == nil {
		return
	}
	s.p.finish(s, event, mark, color, note)
}

// Elapsed formats a duration for people: 0.4s, 12s, 1m05s, 1h02m.
func Elapsed(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	default:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
}

func dash(s string) string {
	if s == "" {
		return ""
	}
	return ": " + s
}

func oneLine(s string) string {
	s = strings.TrimSpace(s)
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		s = strings.TrimSpace(s[:i])
	}
	return s
}

// clip cuts s to n runes, so that a live line never wraps: a wrapped line
// would break the cursor arithmetic.
func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}
