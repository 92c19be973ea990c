// Command conformance takes every stack through its life with the built
// executable: up, verify, a restart of its nodes, faults, destroy, and nothing left. It
// measures on the way and writes the figures to docs/conformance.md and, when every
// stack conforms, into docs/models.md.
//
// With -short it takes the two mixtures, which hold every kind of pair of clusters, from
// up through the quick checks to destroy, and writes nothing.
package main
