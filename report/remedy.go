package report

import "strings"

// Operation is an operation on the lab, by a name that each program translates
// into its own command or call. "" is none.
type Operation string

// The operations that remedies name.
const (
	OperationUp      Operation = "up"      // bring the lab up as declared
	OperationRefresh Operation = "refresh" // compare the lab with what runs, and restore what is missing
	OperationStatus  Operation = "status"  // show the clusters and whether they answer
	OperationCollect Operation = "collect" // gather logs, objects and proxy dumps into an archive
	OperationCleanup Operation = "cleanup" // remove what timed checks and drills left behind
)

// Operations lists them.
func Operations() []Operation {
	return []Operation{OperationUp, OperationRefresh, OperationStatus, OperationCollect, OperationCleanup}
}

// Remedy is what to do about a result that did not pass. The command of its operation is
// worded by the caller: see Options.
type Remedy struct {
	Operation Operation `json:"operation,omitempty"`
	Object    string    `json:"object,omitempty"`  // what to look at: "secret istio-system/cacerts"
	Command   string    `json:"command,omitempty"` // a line for the shell, of another program
	Text      string    `json:"text,omitempty"`    // never empty but in the zero Remedy
}

// String is the remedy in words, without its operation.
func (r Remedy) String() string { return r.With("") }

// With is the remedy in words; operation is the caller's command for the
// remedy's operation, or "".
func (r Remedy) With(operation string) string {
	var parts []string
	for _, p := range []struct{ before, text, after string }{
		{"look at ", r.Object, ""}, {"", r.Text, ""}, {"run `", r.Command, "`"}, {"run `", operation, "`"},
	} {
		if p.text != "" {
			parts = append(parts, p.before+p.text+p.after)
		}
	}
	return strings.Join(parts, "; ")
}

// RemedyError is an error and what to do about it.
type RemedyError struct {
	Err    error
	Remedy Remedy
}

func (e *RemedyError) Error() string { return e.Err.Error() }

func (e *RemedyError) Unwrap() error { return e.Err }
