// Package stacks is what a Meshwright stack deploys. Program reads the stack's
// configuration, plans it (package stacks/plan) and composes the components. Outputs
// are the stack's outputs.
//
// The package owns the order of the components. Each component knows how its part is
// made; the plan knows what the lab consists of.
package stacks
