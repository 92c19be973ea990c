package report

import (
	"errors"
	"strings"
)

// Operation is an operation on the lab, by a name that each program translates
// into its own command or call. "" is none.
type Operation string

// The operations that remedies name.
const (
	OperationUp       Operation = "up"        // bring the lab up as declared
	OperationRefresh  Operation = "refresh"   // compare the lab with what runs, and restore what is missing
	OperationPreview  Operation = "preview"   // show what bringing it up would change
	OperationPrepare  Operation = "prepare"   // prepare the lab for a Pulumi command
	OperationDestroy  Operation = "destroy"   // remove the lab
	OperationForce    Operation = "force"     // remove the lab without its state
	OperationStatus   Operation = "status"    // show the clusters and whether they answer
	OperationCollect  Operation = "collect"   // gather logs, objects and proxy dumps into an archive
	OperationCleanup  Operation = "cleanup"   // remove what timed checks and drills left behind
	OperationBuildKit Operation = "build-kit" // build the airgap kit, which belongs to no lab
	OperationSetup    Operation = "setup"     // prepare the machine, which belongs to no lab
)

// Operations lists them.
func Operations() []Operation {
	return []Operation{
		OperationUp, OperationRefresh, OperationPreview, OperationPrepare, OperationDestroy, OperationForce,
		OperationStatus, OperationCollect, OperationCleanup, OperationBuildKit, OperationSetup,
	}
}

// Remedy is one thing to do about a result that did not pass, or about an error. The
// caller words its operation or option: see Options.
type Remedy struct {
	Operation Operation `json:"operation,omitempty"`
	Object    string    `json:"object,omitempty"`  // what to look at: "secret istio-system/cacerts"
	Command   string    `json:"command,omitempty"` // a line for the shell, of another program
	Text      string    `json:"text,omitempty"`    // never empty but in the zero Remedy
	// Option is the driver's option to set, or to leave out, in place of an operation:
	// a field of automation.Options. Value is what helps, or "" where the user chooses.
	Option string `json:"option,omitempty"`
	Value  string `json:"value,omitempty"`
}

// String is the remedy in words, without its operation or option.
func (r Remedy) String() string { return r.With("") }

// With is the remedy in words; line is the caller's command for the remedy's
// operation, or its flag for the option, or "".
func (r Remedy) With(line string) string {
	text := join(r.Text, line)
	var parts []string
	for _, p := range []struct{ before, text, after string }{
		{"look at ", r.Object, ""}, {"", text, ""}, {"run `", r.Command, "`"},
	} {
		if p.text != "" {
			parts = append(parts, p.before+p.text+p.after)
		}
	}
	return strings.Join(parts, "; ")
}

// WithRemedies returns err with remedies, the most useful first. Its text stays the same.
func WithRemedies(err error, remedies ...Remedy) error { return &remedied{err, remedies} }

// Remedies returns the remedies of the outermost error in err's tree that has any.
func Remedies(err error) []Remedy {
	var has interface{ Remedies() []Remedy }
	if !errors.As(err, &has) {
		return nil
	}
	return has.Remedies()
}

type remedied struct {
	error
	remedies []Remedy
}

func (e *remedied) Unwrap() error      { return e.error }
func (e *remedied) Remedies() []Remedy { return e.remedies }
