package automation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/meshwright/meshwright/automation/events"
	"github.com/meshwright/meshwright/automation/internal/workspace"
)

// overrides are the settings that Options.Config overrides, sorted.
func (l *Lab) overrides() []string {
	var keys []string
	for key := range l.o.Config {
		keys = append(keys, strings.TrimPrefix(key, workspace.Project+":"))
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// dropped are the settings that the lab was brought up with overridden, and that this
// operation does not override: they go back to what the stack's settings say.
func (s *session) dropped() []string {
	now := s.lab.overrides()
	return slices.DeleteFunc(slices.Clone(s.record.Overrides), func(key string) bool { return slices.Contains(now, key) })
}

// warnOfDropped says so before anything is changed.
func (s *session) warnOfDropped() {
	if keys := s.dropped(); len(keys) > 0 {
		s.lab.warn(s.op.name, fmt.Sprintf("lab %s was brought up with settings overridden: %s; without them again they go back to what stack %s says",
			s.lab.o.Name, strings.Join(keys, ", "), s.lab.o.Stack))
	}
}

// warn tells the subscriber and the log.
func (l *Lab) warn(operation, message string) {
	l.o.Log.Warn(message, "lab", l.o.Name)
	l.o.Events(Event{Time: time.Now(), Operation: operation, Kind: events.Log, Severity: "warning", Message: message})
}
