package automation

import (
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
)

// EventKind says what an Event reports.
type EventKind string

// The kinds of events.
const (
	EventStart  EventKind = "start"  // work on a resource begins
	EventDone   EventKind = "done"   // it ended well
	EventFailed EventKind = "failed" // it ended badly; a log event of severity "error" came before
	EventStatus EventKind = "status" // a passing remark on work in progress
	EventLog    EventKind = "log"    // a message that lasts
)

// Event is one thing that happened during an operation.
type Event struct {
	Time      time.Time     `json:"time"`
	Operation string        `json:"operation"` // up, preview, refresh, destroy, "scenario NAME"
	Kind      EventKind     `json:"kind"`
	Op        string        `json:"op,omitempty"`       // create, update, delete, replace, same, refresh, ...
	URN       string        `json:"urn,omitempty"`      // "" for messages about no resource
	Type      string        `json:"type,omitempty"`     // Pulumi type token
	Name      string        `json:"name,omitempty"`     // name within the program
	Severity  string        `json:"severity,omitempty"` // of a log: info, warning, error
	Message   string        `json:"message,omitempty"`
	Elapsed   time.Duration `json:"elapsed,omitempty"` // of done and failed, in nanoseconds
}

// Timing is how long one resource took, for those that were worked on.
type Timing struct {
	Type    string        `json:"type"`
	Name    string        `json:"name"`
	Op      string        `json:"op"`
	Start   time.Time     `json:"start"`
	Elapsed time.Duration `json:"elapsed"` // nanoseconds
}

// Failure is what went wrong with one resource, or with none in particular.
type Failure struct {
	URN     string `json:"urn,omitempty"`
	Type    string `json:"type,omitempty"`
	Name    string `json:"name,omitempty"`
	Message string `json:"message"`
}

// collector turns the engine's stream into Events and remembers what results
// and errors are made of.
type collector struct {
	operation string
	emit      func(Event)
	in        chan events.EngineEvent
	stop      chan struct{}
	ended     sync.WaitGroup

	began    map[string]time.Time // by URN and op
	timings  []Timing
	failures []Failure
	changes  []Change
	steps    []apitype.StepEventMetadata // of a preview or simulation, unchanged resources included
	counts   map[string]int
}

func collect(operation string, emit func(Event)) *collector {
	c := &collector{
		operation: operation,
		emit:      emit,
		in:        make(chan events.EngineEvent),
		stop:      make(chan struct{}),
		began:     map[string]time.Time{},
		counts:    map[string]int{},
	}
	c.ended.Go(func() {
		for {
			select {
			case e, open := <-c.in:
				if !open {
					return
				}
				if e.Error == nil {
					c.take(e.EngineEvent)
				}
			case <-c.stop: // an engine that never spoke closes nothing
				return
			}
		}
	})
	return c
}

// close waits for the last event. It is called once the engine has ended; the
// fields may be read after it.
func (c *collector) close() {
	close(c.stop)
	c.ended.Wait()
}

func (c *collector) take(e apitype.EngineEvent) {
	now := time.Now()
	switch {
	case e.ResourcePreEvent != nil:
		m := e.ResourcePreEvent.Metadata
		c.began[m.URN+string(m.Op)] = now
		if e.ResourcePreEvent.Planning {
			c.change(m)
		}
		if e.ResourcePreEvent.Planning || c.operation == simulated {
			c.steps = append(c.steps, m)
		}
		c.emit(c.resource(EventStart, m, now))
	case e.ResOutputsEvent != nil:
		c.finish(EventDone, e.ResOutputsEvent.Metadata, now)
	case e.ResOpFailedEvent != nil:
		c.finish(EventFailed, e.ResOpFailedEvent.Metadata, now)
	case e.DiagnosticEvent != nil:
		c.diagnostic(*e.DiagnosticEvent, now)
	case e.StdoutEvent != nil:
		c.emit(Event{Time: now, Operation: c.operation, Kind: EventLog, Severity: "info", Message: plain(e.StdoutEvent.Message)})
	case e.SummaryEvent != nil:
		for op, n := range e.SummaryEvent.ResourceChanges {
			c.counts[string(op)] = n
		}
	}
}

func (c *collector) finish(kind EventKind, m apitype.StepEventMetadata, now time.Time) {
	e := c.resource(kind, m, now)
	key := m.URN + string(m.Op)
	if began, ok := c.began[key]; ok {
		e.Elapsed = now.Sub(began)
		delete(c.began, key)
		if m.Op != apitype.OpSame {
			c.timings = append(c.timings, Timing{Type: e.Type, Name: e.Name, Op: e.Op, Start: began, Elapsed: e.Elapsed})
		}
	}
	c.emit(e)
}

func (c *collector) diagnostic(d apitype.DiagnosticEvent, now time.Time) {
	e := Event{Time: now, Operation: c.operation, Kind: EventLog, URN: d.URN, Message: plain(d.Message)}
	e.Type, e.Name = typeAndName(d.URN)
	if e.Message == "" {
		return
	}
	e.Severity, _, _ = strings.Cut(d.Severity, "#") // info#err is what a program wrote to stderr
	if d.Ephemeral {
		e.Kind = EventStatus
	}
	if e.Severity == "error" {
		c.failures = append(c.failures, Failure{URN: e.URN, Type: e.Type, Name: e.Name, Message: e.Message})
	}
	c.emit(e)
}

func (c *collector) resource(kind EventKind, m apitype.StepEventMetadata, now time.Time) Event {
	e := Event{Time: now, Operation: c.operation, Kind: kind, Op: string(m.Op), URN: m.URN, Type: m.Type}
	_, e.Name = typeAndName(m.URN)
	return e
}

func typeAndName(s string) (string, string) {
	u, err := urn.Parse(s)
	if err != nil {
		return "", ""
	}
	return string(u.Type()), u.Name()
}

// markup is the engine's own way to write colours: <{%fg 1%}>.
var markup = regexp.MustCompile(`<\{%[^%]*%\}>`)

func plain(s string) string { return strings.TrimSpace(markup.ReplaceAllString(s, "")) }
