// Package peering owns what lets one cluster's control plane watch another
// cluster: a token of the reader's account there, and the remote secret here that
// hands it to istiod; and, between clusters of one flat network, the routes by which
// their pods reach each other.
//
// A remote secret names the API server by the node's name on the lab's Docker
// network, not by its address as istioctl would: addresses may change when nodes
// restart, names do not, and the API server's certificate holds the name.
package peering
