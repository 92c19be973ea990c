// Package istio owns what Istio installs in a cluster: its namespace with the
// network's label, the base and istiod charts of a primary or of a remote, the
// ingress and east-west gateways, and the configuration that exposes services and
// istiod to other networks.
//
// It does not own trust (package meshca), nor who watches whom (package peering).
package istio
