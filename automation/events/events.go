// Package events says what happens during an operation. It owns the events that
// subscribers receive, and the collector that makes them from the engine's own stream
// and keeps what results and errors consist of: timings, failures and changes.
package events

import "time"

// Kind says what an Event reports.
type Kind string

// The kinds of events.
const (
	Start  Kind = "start"  // work on a resource begins
	Done   Kind = "done"   // it ended well
	Failed Kind = "failed" // it ended badly; a log event of severity "error" came before
	Status Kind = "status" // progress of work that goes on
	Log    Kind = "log"    // a message to keep
)

// Event is one thing that happened during an operation.
type Event struct {
	Time      time.Time     `json:"time"`
	Operation string        `json:"operation"` // up, preview, refresh, destroy, "scenario NAME"
	Kind      Kind          `json:"kind"`
	Op        string        `json:"op,omitempty"`       // create, update, delete, replace, same, refresh, ...
	URN       string        `json:"urn,omitempty"`      // "" for messages about no resource
	Type      string        `json:"type,omitempty"`     // Pulumi type token
	Name      string        `json:"name,omitempty"`     // name within the program
	Severity  string        `json:"severity,omitempty"` // of a log: info, warning, error
	Message   string        `json:"message,omitempty"`
	Elapsed   time.Duration `json:"elapsed,omitempty"` // of done and failed, in nanoseconds
}

// Timing is how long the work on one resource took.
type Timing struct {
	Type    string        `json:"type"`
	Name    string        `json:"name"`
	Op      string        `json:"op"`
	Start   time.Time     `json:"start"`
	Elapsed time.Duration `json:"elapsed"` // nanoseconds
}

// Failure is an error of one resource, or of none in particular.
type Failure struct {
	URN     string `json:"urn,omitempty"`
	Type    string `json:"type,omitempty"`
	Name    string `json:"name,omitempty"`
	Message string `json:"message"`
}

// Change is what an operation would do to one resource.
type Change struct {
	URN     string   `json:"urn"`
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Op      string   `json:"op"`                // create, update, replace, delete
	Diff    []string `json:"diff,omitempty"`    // property paths that differ, sorted
	Replace []string `json:"replace,omitempty"` // those of them that force a replacement
}
