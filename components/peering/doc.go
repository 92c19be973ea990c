// Package peering owns what connects two clusters. A control plane watches another
// cluster through a remote secret, which holds a token of the reader's service account
// there. Pods of clusters on one flat network reach each other through routes in the
// nodes.
//
// A remote secret has the API server's host name on the lab's Docker network, not its
// address as with istioctl: addresses may change when nodes restart, names do not, and
// the API server's certificate has the name.
package peering
