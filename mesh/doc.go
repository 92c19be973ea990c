// Package mesh reads a running mesh through the API servers of its clusters alone.
// It owns the connections to a cluster (Client, Member), the streams to its pods
// (commands, ports on a pod's loopback), and the parsing of what Envoy, istiod and the
// kernel of a pod report: identities, endpoints, counters, connections. It does not
// judge what it reads; package verify does.
//
// Nothing here needs a route to the pods: exec and port-forward are streams of the
// API server, so that the same code serves a kind cluster and a remote one.
package mesh
