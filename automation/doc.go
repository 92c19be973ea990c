// Package automation drives Meshwright's Pulumi program: it brings a lab up,
// previews it, refreshes it, reads its outputs and takes it down.
//
// A lab is one stack of the program and all that it made on this machine. Each
// operation on it is a file of this package, and a value that says what it needs and
// how it recovers. The packages below internal own the parts: the private workspace,
// the Pulumi engine, the state in its backend, the passphrase, the lab's lock and the
// removal of what no state knows. Package events is what subscribers hear of, and
// package diff compares revisions of a project without a lab. What a lab consists of
// is the business of package stacks; whether it works is the business of package
// verify.
//
// Nothing here prints, changes the working directory or keeps state in
// package variables, so that several labs can live in one process:
//
//	lab, err := automation.New(ctx, options)
//	...
//	up, err := lab.Up(ctx)
//	...
//	_, err := lab.Destroy(ctx)
//
// The module examples/embed has the whole of it.
//
// Cancelling ctx stops an operation within five seconds and leaves a state
// that the next Up or Destroy picks up.
//
// The text of an error says what is wrong. What helps is data: report.Remedies.
package automation
