// Command conformance takes every stack through its life with the built
// executable: up, verify, a restart of its nodes, faults, destroy, and nothing left. It
// measures on the way and writes the figures to docs/conformance.md and, when every
// stack conforms, into docs/models.md.
//
// With -short it takes the stacks other than dev, which has an end-to-end test of
// its own, from up through the quick checks to destroy, and writes nothing.
package main
