package provider

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
)

// checkPeer refuses a loopback connection whose other end belongs to another
// user. A peer that cannot be found is refused too.
func checkPeer(conn net.Conn) error {
	peer, own := address(conn.RemoteAddr()), address(conn.LocalAddr())
	// A client may reach 127.0.0.1 through an IPv6 socket.
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		uid, err := peerUID(table, peer, own)
		if errors.Is(err, errNoSocket) || errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if uid != os.Getuid() {
			return fmt.Errorf("peer %s belongs to user %d, not to user %d", peer, uid, os.Getuid())
		}
		return nil
	}
	return fmt.Errorf("peer %s: %w", peer, errNoSocket)
}

func peerUID(table string, peer, own netip.AddrPort) (int, error) {
	f, err := os.Open(table)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return socketUID(f, peer, own)
}

func address(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(tcp.AddrPort().Addr().Unmap(), tcp.AddrPort().Port())
}
