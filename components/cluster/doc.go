// Package cluster owns what a member of the mesh stands on: the lab's Docker
// network, the kind cluster with its labelled nodes, and the Kubernetes provider
// through which everything else in the cluster is deployed.
//
// It holds the typed wrappers of our own provider's resources, and knows nothing
// of Istio beyond the labels that the plan puts on nodes.
package cluster
