// Package stacks is what a Meshwright stack deploys. Program reads the stack's
// configuration, plans it (package topology) and composes the components; Outputs
// is what it hands back.
//
// The package holds the order of things and nothing else: each component knows how
// its part is made, the plan knows what there is.
package stacks
