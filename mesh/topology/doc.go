// Package topology describes a multi-cluster mesh: its clusters, the networks and
// control planes that they share, their localities, and the rule that spreads requests
// over regions. Relations between clusters follow from these; none is declared.
//
// The four models of a multi-cluster mesh have no names here. Same network or not, own
// control plane or another's gives all four and every mixture.
//
// The package imports nothing. How a lab builds a mesh is in stacks/plan.
package topology
