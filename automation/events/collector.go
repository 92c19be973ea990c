package events

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
)

// Collector turns the engine's stream into Events and keeps what results and errors
// consist of.
type Collector struct {
	// In is what the engine writes to.
	In chan events.EngineEvent

	// To be read after Close.
	Timings  []Timing
	Failures []Failure
	Changes  []Change                    // that are planned
	Steps    []apitype.StepEventMetadata // unchanged resources included
	Counts   map[string]int              // resources by op

	operation string
	emit      func(Event)
	stop      chan struct{}
	ended     sync.WaitGroup
	began     map[string]time.Time // by URN and op
}

// Collect starts a collector for an operation of that name. emit receives one event at
// a time, in order.
func Collect(operation string, emit func(Event)) *Collector {
	c := &Collector{
		operation: operation,
		emit:      emit,
		In:        make(chan events.EngineEvent),
		stop:      make(chan struct{}),
		began:     map[string]time.Time{},
		Counts:    map[string]int{},
	}
	c.ended.Go(func() {
		for {
			select {
			case e, open := <-c.In:
				if !open {
					return
				}
				if e.Error == nil {
					c.take(e.EngineEvent)
				}
			case <-c.stop: // an engine that never wrote closes nothing
				return
			}
		}
	})
	return c
}

// Close waits for the last event. It is called once the engine has ended; the
// fields may be read after it.
func (c *Collector) Close() {
	close(c.stop)
	c.ended.Wait()
}

func (c *Collector) take(e apitype.EngineEvent) {
	now := time.Now()
	switch {
	case e.ResourcePreEvent != nil:
		m := e.ResourcePreEvent.Metadata
		c.began[m.URN+string(m.Op)] = now
		if e.ResourcePreEvent.Planning {
			c.change(m)
		}
		c.Steps = append(c.Steps, m)
		c.emit(c.resource(Start, m, now))
	case e.ResOutputsEvent != nil:
		c.finish(Done, e.ResOutputsEvent.Metadata, now)
	case e.ResOpFailedEvent != nil:
		c.finish(Failed, e.ResOpFailedEvent.Metadata, now)
	case e.DiagnosticEvent != nil:
		c.diagnostic(*e.DiagnosticEvent, now)
	case e.StdoutEvent != nil:
		c.emit(Event{Time: now, Operation: c.operation, Kind: Log, Severity: "info", Message: plain(e.StdoutEvent.Message)})
	case e.SummaryEvent != nil:
		for op, n := range e.SummaryEvent.ResourceChanges {
			c.Counts[string(op)] = n
		}
	}
}

func (c *Collector) finish(kind Kind, m apitype.StepEventMetadata, now time.Time) {
	e := c.resource(kind, m, now)
	key := m.URN + string(m.Op)
	if began, ok := c.began[key]; ok {
		e.Elapsed = now.Sub(began)
		delete(c.began, key)
		if m.Op != apitype.OpSame {
			c.Timings = append(c.Timings, Timing{Type: e.Type, Name: e.Name, Op: e.Op, Start: began, Elapsed: e.Elapsed})
		}
	}
	c.emit(e)
}

func (c *Collector) diagnostic(d apitype.DiagnosticEvent, now time.Time) {
	e := Event{Time: now, Operation: c.operation, Kind: Log, URN: d.URN, Message: plain(d.Message)}
	e.Type, e.Name = TypeAndName(d.URN)
	if e.Message == "" {
		return
	}
	e.Severity, _, _ = strings.Cut(d.Severity, "#") // info#err is what a program wrote to stderr
	if d.Ephemeral {
		e.Kind = Status
	}
	if e.Severity == "error" {
		c.Failures = append(c.Failures, Failure{URN: e.URN, Type: e.Type, Name: e.Name, Message: e.Message})
	}
	c.emit(e)
}

func (c *Collector) resource(kind Kind, m apitype.StepEventMetadata, now time.Time) Event {
	e := Event{Time: now, Operation: c.operation, Kind: kind, Op: string(m.Op), URN: m.URN, Type: m.Type}
	_, e.Name = TypeAndName(m.URN)
	return e
}

// TypeAndName are those of a resource by its URN, "" for anything else.
func TypeAndName(s string) (string, string) {
	u, err := urn.Parse(s)
	if err != nil {
		return "", ""
	}
	return string(u.Type()), u.Name()
}

// markup is the engine's notation for colours: <{%fg 1%}>.
var markup = regexp.MustCompile(`<\{%[^%]*%\}>`)

func plain(s string) string { return strings.TrimSpace(markup.ReplaceAllString(s, "")) }

// change records a planned step. Of the three steps of a replacement the
// logical one stands for all.
func (c *Collector) change(m apitype.StepEventMetadata) {
	switch m.Op {
	case apitype.OpSame, apitype.OpRead, apitype.OpRefresh, apitype.OpCreateReplacement, apitype.OpDeleteReplaced, apitype.OpDiscardReplaced, apitype.OpReadReplacement:
		return
	}
	ch := Change{URN: m.URN, Type: m.Type, Op: string(m.Op), Diff: slices.Sorted(maps.Keys(m.DetailedDiff))}
	_, ch.Name = TypeAndName(m.URN)
	if len(ch.Diff) == 0 {
		ch.Diff = m.Diffs
	}
	for path, d := range m.DetailedDiff {
		switch d.Kind {
		case apitype.DiffAddReplace, apitype.DiffDeleteReplace, apitype.DiffUpdateReplace:
			ch.Replace = append(ch.Replace, path)
		}
	}
	slices.Sort(ch.Replace)
	c.Changes = append(c.Changes, ch)
}
