package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/internal/ui"
)

// watched are the resource types with a progress line of their own: those that take
// long. The others are counted.
var watched = map[string]string{
	"meshwright:kind:Network":       "network",
	"meshwright:kind:Cluster":       "kind cluster",
	"kubernetes:helm.sh/v3:Release": "Helm release",
	"kubernetes:apps/v1:Deployment": "deployment",
	"command:local:Command":         "command",
	automation.WaitType:             "for the",
}

// progress shows an operation's events.
type progress struct {
	ui     *ui.Printer
	whole  *ui.Step
	steps  map[string]*ui.Step // by URN and op
	done   int
	failed int
}

func newProgress(p *ui.Printer, title string) *progress {
	return &progress{ui: p, whole: p.Start(title), steps: map[string]*ui.Step{}}
}

// event is the operation's subscriber. Events arrive one at a time.
func (p *progress) event(e automation.Event) {
	key := e.URN + e.Op
	switch e.Kind {
	case automation.EventStart:
		kind, ok := watched[e.Type]
		if !ok || quiet(e.Op) {
			return
		}
		p.steps[key] = p.ui.Start(fmt.Sprintf("%s %s %s", verb(e.Op), kind, e.Name))
	case automation.EventDone:
		if s, ok := p.steps[key]; ok {
			s.Done("")
			delete(p.steps, key)
		}
		if !quiet(e.Op) && e.Type != automation.WaitType {
			p.done++
			p.whole.Update(fmt.Sprintf("%d resources done", p.done))
		}
	case automation.EventFailed:
		if e.Type != automation.WaitType {
			p.failed++
		}
		if s, ok := p.steps[key]; ok {
			s.Fail(nil)
			delete(p.steps, key)
		}
	case automation.EventStatus:
		p.detail(e)
	case automation.EventLog:
		switch e.Severity {
		case "warning":
			p.ui.Warn(named(e))
		case "error": // shown at the end, with its remedy
		default:
			p.detail(e)
		}
	}
}

// detail shows the state of a resource beside its line, or beside the whole where it has
// none.
func (p *progress) detail(e automation.Event) {
	if e.URN == "" {
		return
	}
	shown := false
	for key, s := range p.steps {
		if strings.HasPrefix(key, e.URN) {
			s.Update(e.Message)
			shown = true
		}
	}
	if !shown {
		p.whole.Update(named(e))
	}
}

// end closes what is still open.
func (p *progress) end(err error, note string) {
	for _, s := range p.steps {
		if err != nil {
			s.Skip("stopped")
		} else {
			s.Done("")
		}
	}
	if err != nil {
		p.whole.Fail(nil)
		return
	}
	p.whole.Done(note)
}

func named(e automation.Event) string {
	if e.Name == "" {
		return e.Message
	}
	return e.Name + ": " + e.Message
}

// quiet reports whether an operation on a resource has no line. Of a replacement the
// creation and the deletion are shown.
func quiet(op string) bool {
	return slices.Contains([]string{"same", "read", "refresh", "discard", "replace"}, op)
}

func verb(op string) string {
	switch op {
	case "create-replacement":
		return "create"
	case "delete-replaced":
		return "delete"
	}
	return op
}

// countsText is "12 created, 3 unchanged".
func countsText(counts map[string]int) string {
	var parts []string
	for _, w := range [][2]string{
		{"create", "created"},
		{"update", "updated"},
		{"replace", "replaced"},
		{"create-replacement", "recreated"},
		{"delete", "deleted"},
		{"same", "unchanged"},
	} {
		if n := counts[w[0]]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, w[1]))
		}
	}
	return cmp.Or(strings.Join(parts, ", "), "nothing to do")
}
