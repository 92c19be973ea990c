// Package plan turns a stack's configuration into a plan: which clusters
// there are, which address each thing has, and who watches whom. Everything in it
// is pure: it reads no file, asks no daemon and imports no Pulumi SDK, so its
// rules are tested in milliseconds.
//
// The four models of a multi-cluster mesh are not named anywhere. A cluster says
// which network it is on and which control plane serves it; same network or not,
// own control plane or another's, gives the four models and every mixture.
//
// The package does not own resources: package stacks composes them from the plan.
package plan
