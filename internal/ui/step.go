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

// Do runs work as a step. The step ends with the note, or with the error that Do returns.
func (p *Printer) Do(title string, work func(update func(detail string)) (note string, err error)) error {
	s := p.Start(title)
	note, err := work(s.Update)
	if err != nil {
		s.Fail(err)
		return err
	}
	s.Done(note)
	return nil
}

// Update sets the detail shown beside a live line. A plain log shows it in the next
// reminder.
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

// Fail ends the step with an error, of which it shows only the first line: the caller
// prints the rest.
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

// Bytes formats a size in bytes for people, in binary units: 512 B, 1.5 GiB.
func Bytes(n int64) string {
	value, unit := float64(n), ""
	for _, unit = range []string{"B", "KiB", "MiB", "GiB"} {
		if value < 1024 || unit == "GiB" {
			break
		}
		value /= 1024
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}

func dash(s string) string {
	if s == "" {
		return ""
	}
	return ": " + s
}

func oneLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(s)
}
