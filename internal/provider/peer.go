package provider

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// errNoSocket says that a table of sockets does not hold the one looked for.
var errNoSocket = errors.New("no such socket in the kernel's table")

// socketUID finds in a table of /proc/net/tcp's or /proc/net/tcp6's form the
// socket with the given local and remote address, and returns its owner.
// The form is that of proc_pid_net(5): addresses are the kernel's 32-bit words
// in the byte order of the machine, in hexadecimal.
func socketUID(table io.Reader, local, remote netip.AddrPort) (int, error) {
	scan := bufio.NewScanner(table)
	for scan.Scan() {
		f := strings.Fields(scan.Text())
		if len(f) < 8 || !strings.HasSuffix(f[0], ":") {
			continue
		}
		l, err := parseProcAddr(f[1])
		if err != nil || l != local {
			continue
		}
		if r, err := parseProcAddr(f[2]); err != nil || r != remote {
			continue
		}
		uid, err := strconv.Atoi(f[7])
		if err != nil {
			return 0, fmt.Errorf("owner of the socket %s: %w", local, err)
		}
		return uid, nil
	}
	if err := scan.Err(); err != nil {
		return 0, err
	}
	return 0, errNoSocket
}

// parseProcAddr reads "0100007F:1F90". An IPv4 address mapped into IPv6 comes
// out as the IPv4 address.
func parseProcAddr(s string) (netip.AddrPort, error) {
	host, port, ok := strings.Cut(s, ":")
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("%q is no address", s)
	}
	raw, err := hex.DecodeString(host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if littleEndian {
		for i := 0; i+4 <= len(raw); i += 4 {
			raw[i], raw[i+1], raw[i+2], raw[i+3] = raw[i+3], raw[i+2], raw[i+1], raw[i]
		}
	}
	addr, ok := netip.AddrFromSlice(raw)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("%q is no address", s)
	}
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), nil
}

// littleEndian is the byte order of this machine.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1
