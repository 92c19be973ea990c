package ui

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"
)

// Options say what the writer behind a Printer can show.
type Options struct {
	Terminal bool // the writer is a terminal: draw live lines with cursor movement
	Color    bool // colours are welcome
	JSON     bool // write one JSON object per line, whatever the writer is

	// Width returns the terminal's width in columns; nil means 100.
	Width func() int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Printer writes progress. A nil *Printer is valid and silent. Its methods may
// be called from several goroutines.
type Printer struct {
	mu     sync.Mutex
	w      io.Writer
	o      Options
	active []*Step
	drawn  int // live lines now on the screen
	frame  int
	stop   chan struct{}
}

// redraw is how often a live line moves; reminder, how often a plain log says that a
// long step still runs.
const (
	redraw   = 120 * time.Millisecond
	reminder = 30 * time.Second
)

// New returns a Printer that writes to w.
func New(w io.Writer, o Options) *Printer {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Printer{w: w, o: o}
}

// FromFile returns a Printer for f, with live lines when f is a terminal and
// colours unless NO_COLOR is set or TERM is "dumb".
func FromFile(f *os.File) *Printer {
	o := Options{}
	fd := int(f.Fd())
	if term.IsTerminal(fd) && os.Getenv("TERM") != "dumb" {
		o.Terminal = true
		o.Color = os.Getenv("NO_COLOR") == ""
		o.Width = func() int {
			w, _, err := term.GetSize(fd)
			if err != nil {
				return 0
			}
			return w
		}
	}
	return New(f, o)
}

// Color reports whether colours are welcome.
func (p *Printer) Color() bool { return p != nil && p.o.Color }

// Terminal reports whether the writer is a terminal that shows live lines.
func (p *Printer) Terminal() bool { return p != nil && p.o.Terminal && !p.o.JSON }

// Info prints one line.
func (p *Printer) Info(msg string) { p.message("info", "", msg) }

// Warn prints one line that asks for attention.
func (p *Printer) Warn(msg string) { p.message("warn", "! ", msg) }

func (p *Printer) message(level, mark, msg string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.o.JSON {
		p.json(record{Event: level, Message: msg})
		return
	}
	p.print(p.paint(yellow, mark) + msg)
}

// Start begins a step that is finished by Done, Skip or Fail.
func (p *Printer) Start(title string) *Step {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &Step{p: p, title: title, began: p.o.Now()}
	s.told = s.began
	p.active = append(p.active, s)
	switch {
	case p.o.JSON:
		p.json(record{Event: "start", Step: title})
	case !p.o.Terminal:
		p.print("  " + title + " ...")
	}
	if p.stop == nil {
		p.stop = make(chan struct{})
		go p.run(p.stop)
	}
	p.draw()
	return s
}

// run animates the live region, or sends reminders to a plain log, while any
// step is active.
func (p *Printer) run(stop <-chan struct{}) {
	period := redraw
	if !p.o.Terminal {
		period = time.Second
	}
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			p.mu.Lock()
			p.frame++
			p.remind()
			p.draw()
			p.mu.Unlock()
		}
	}
}

func (p *Printer) remind() {
	if p.o.Terminal {
		return
	}
	for _, s := range p.active {
		now := p.o.Now()
		if now.Sub(s.told) < reminder {
			continue
		}
		s.told = now
		if p.o.JSON {
			p.json(record{Event: "still", Step: s.title, Detail: s.detail, Seconds: now.Sub(s.began).Seconds()})
			continue
		}
		p.print(fmt.Sprintf("  still %s, %s%s", s.title, Elapsed(now.Sub(s.began)), dash(s.detail)))
	}
}

// finish removes s from the live region and prints its last line.
func (p *Printer) finish(s *Step, event, mark, color, note string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.ended {
		return
	}
	s.ended = true
	p.active = slices.DeleteFunc(p.active, func(a *Step) bool { return a == s })
	took := p.o.Now().Sub(s.began)
	if p.o.JSON {
		p.json(record{Event: event, Step: s.title, Detail: note, Seconds: took.Seconds()})
	} else {
		line := p.paint(color, mark) + " " + s.title + dash(note)
		if took >= time.Second {
			line += " " + p.paint(faint, Elapsed(took))
		}
		p.print(line)
	}
	if len(p.active) == 0 && p.stop != nil {
		close(p.stop)
		p.stop = nil
	}
}

// print writes lines above the live region.
func (p *Printer) print(lines string) {
	p.erase()
	fmt.Fprintln(p.w, lines)
	p.draw()
}

func (p *Printer) erase() {
	if p.drawn > 0 {
		fmt.Fprintf(p.w, "\x1b[%dA\x1b[J", p.drawn)
		p.drawn = 0
	}
}

// draw paints one line per active step, newest last.
func (p *Printer) draw() {
	if !p.o.Terminal || p.o.JSON {
		return
	}
	p.erase()
	var b strings.Builder
	for _, s := range p.active {
		line := s.title + " " + Elapsed(p.o.Now().Sub(s.began)) + dash(s.detail)
		// A line that wraps would break the cursor arithmetic.
		fmt.Fprintf(&b, "%s %s\n", p.paint(cyan, frames[p.frame%len(frames)]), ansi.Truncate(line, p.width()-3, "…"))
		p.drawn++
	}
	io.WriteString(p.w, b.String()) //nolint:errcheck // progress that cannot be shown is no reason to stop
}

func (p *Printer) width() int {
	if p.o.Width != nil {
		if w := p.o.Width(); w > 10 {
			return w
		}
	}
	return 100
}

// record is one line of the JSON rendering.
type record struct {
	Time    time.Time `json:"time"`
	Event   string    `json:"event"` // start, still, done, skip, fail, info, warn
	Step    string    `json:"step,omitempty"`
	Detail  string    `json:"detail,omitempty"`
	Message string    `json:"message,omitempty"`
	Seconds float64   `json:"seconds,omitempty"`
}

func (p *Printer) json(r record) {
	r.Time = p.o.Now().UTC()
	data, err := json.Marshal(r)
	if err != nil {
		return
	}
	fmt.Fprintln(p.w, string(data))
}
