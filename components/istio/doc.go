// Package istio owns Istio in a cluster: its namespace with the label of the network,
// the base and istiod charts of a primary or a remote, the ingress and east-west
// gateways, and the configuration that exposes services and istiod to other networks.
//
// It does not own trust (package meshca) or remote secrets (package peering).
package istio
