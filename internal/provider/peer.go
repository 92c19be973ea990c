package provider

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// errNoSocket says that a table of sockets does not hold the one looked for.
var errNoSocket = errors.New("no such socket in the kernel's table")

// socketUID finds in a table of the form of /proc/net/tcp or /proc/net/tcp6 the
// socket with the given local and remote address, and returns its owner.
func socketUID(table io.Reader, local, remote netip.AddrPort) (int, error) {
	scan := bufio.NewScanner(table)
	for scan.Scan() {
		f := strings.Fields(scan.Text())
		if len(f) >= 8 && slices.Contains(procAddrs(local), f[1]) && slices.Contains(procAddrs(remote), f[2]) {
			return strconv.Atoi(f[7])
		}
	}
	return 0, cmp.Or(scan.Err(), errNoSocket)
}

// procAddrs returns an address as tables of IPv4 sockets, such as "0100007F:1F90", and
// of IPv6 sockets have it, where an IPv4 address is mapped into IPv6. The form is that
// of proc_pid_net(5): 32-bit words in the byte order of the machine, in hexadecimal.
func procAddrs(a netip.AddrPort) []string {
	v6 := a.Addr().As16()
	forms := [][]byte{v6[:]}
	if a.Addr().Is4() {
		forms = append(forms, v6[12:])
	}
	var out []string
	for _, ip := range forms {
		s := ""
		for ; len(ip) > 0; ip = ip[4:] {
			s += fmt.Sprintf("%08X", binary.NativeEndian.Uint32(ip))
		}
		out = append(out, fmt.Sprintf("%s:%04X", s, a.Port()))
	}
	return out
}
