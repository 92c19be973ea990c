package automation

import "github.com/meshwright/meshwright/automation/events"

// What happens during an operation, by the names of this package.
type (
	Event     = events.Event
	EventKind = events.Kind
	Timing    = events.Timing
	Failure   = events.Failure
	Change    = events.Change
)

// The kinds of events.
const (
	EventStart  = events.Start
	EventDone   = events.Done
	EventFailed = events.Failed
	EventStatus = events.Status
	EventLog    = events.Log
)
