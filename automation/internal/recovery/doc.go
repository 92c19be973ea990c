// Package recovery finds what exists of a lab beside its state and brings it back or
// removes it: containers and networks that bear the lab's mark, nodes that were
// stopped, and namespaces that a killed run left in the clusters. What the state knows
// is the business of package backend.
package recovery
