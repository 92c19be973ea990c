// Package cluster owns the Kubernetes clusters of a lab: the Docker network, the kind
// clusters with their labelled nodes, and the Kubernetes provider through which
// everything else in a cluster is deployed.
//
// It wraps the resources of Meshwright's own provider. It does not know Istio.
package cluster
