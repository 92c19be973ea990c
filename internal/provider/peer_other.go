//go:build !linux

package provider

import "net"

// checkPeer lets every loopback peer in: this system does not say whose socket
// it is. See the package comment.
func checkPeer(net.Conn) error { return nil }
