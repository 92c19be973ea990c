package report

import "cmp"

// Remedy is what to do about a result that did not pass. Command lines that apply
// an Operation are worded by the caller: see Options.
type Remedy struct {
	// Operation is what Meshwright can do about it: "up", "collect". "" when it
	// can do nothing.
	Operation string `json:"operation,omitempty"`
	// Object is what to look at or to change: "deployment istio-system/istiod".
	Object string `json:"object,omitempty"`
	// Command is a command line of another tool, kubectl's most often.
	Command string `json:"command,omitempty"`
	// Text is what to do, in a sentence without a full stop.
	Text string `json:"text,omitempty"`
}

// String is the remedy's text and command, else its operation and object.
func (r Remedy) String() string {
	return cmp.Or(join(r.Text, r.Command), join(r.Operation, r.Object))
}
