// Package automation drives Meshwright's Pulumi program: it brings a lab up,
// previews it, refreshes it, reads its outputs and takes it down.
//
// A lab is one stack of the program and all that it made on this machine. The
// package owns the private workspace in which the Pulumi engine runs, the
// lab's lock, its passphrase, the in-process resource providers and the sweep
// that leaves nothing behind. What a lab consists of is the business of
// package stacks; whether it works is the business of package verify.
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
package automation
