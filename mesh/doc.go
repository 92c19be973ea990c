// Package mesh reaches into one cluster through its API server alone: it
// reads objects, runs commands in containers, and talks to ports that listen
// only on a pod's loopback, such as Envoy's admin port. It holds no opinion
// about what it finds; package verify does.
//
// Nothing here needs a route to the pods: exec and port-forward are streams
// of the API server, so the same code serves a kind cluster and a remote one.
package mesh
