// Package remedy says what to do about an error, as data. It knows neither a
// command line nor how a remedy is shown: that is the business of the program that
// prints the error.
package remedy

import "errors"

// Remedy is one thing that helps against an error.
type Remedy struct {
	// Text says what it is good for: "to go on".
	Text string
	// Operation to run, on the lab that the error is about: "up", "preview",
	// "destroy", "prepare" or "cleanup"; "build-kit" concerns no lab. It may be empty.
	Operation string
	// Force is the operation's option.
	Force bool
	// Option of the driver to set, or to leave out, instead of an operation: the name
	// of a field of automation.Options.
	Option string
	// Value that helps; empty when it is for the user to choose.
	Value string
}

// With returns err with remedies, the most useful first. Its text stays the same.
func With(err error, remedies ...Remedy) error { return &remedied{err, remedies} }

// Of returns the remedies of the outermost error in err's tree that has any.
func Of(err error) []Remedy {
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
