package mesh

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Peers are the addresses that hold connections to the ports of a pod, sorted, as the
// pod itself sees them. Where the image of its proxy has no command to read them
// (distroless), the container of its application may: all containers of a pod share
// the tables.
func (m *Member) Peers(ctx context.Context, pod *corev1.Pod, ports ...int) ([]string, error) {
	var got Output
	var err error
	for _, container := range []string{Sidecar, AppContainer(pod)} {
		got, err = m.Exec(ctx, Ref(pod), container, []string{"cat", "/proc/net/tcp", "/proc/net/tcp6"})
		if !NoCommand(got, err) {
			break
		}
	}
	switch {
	case err != nil:
		return nil, err
	case len(got.Stdout) == 0: // a kernel without IPv6 has one of the two
		return nil, fmt.Errorf("cat ended with code %d: %s", got.Code, bytes.TrimSpace(got.Stderr))
	}
	return inboundPeers(string(got.Stdout), ports...), nil
}

// NoCommand reports whether the container lacks the command, as distroless images do.
func NoCommand(o Output, err error) bool {
	if err != nil {
		return strings.Contains(err.Error(), "executable file not found") || strings.Contains(err.Error(), "no such file")
	}
	return o.Code == 126 || o.Code == 127
}

// inboundPeers are the addresses that hold connections to the local ports, sorted, from
// the text of /proc/net/tcp and tcp6 (Linux, Documentation/networking/proc_net_tcp.rst):
// per line a number, local and remote address as hex words in the machine's byte
// order, and the state, 01 for an established connection.
func inboundPeers(table string, ports ...int) []string {
	seen := map[string]bool{}
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 4 || f[3] != "01" {
			continue
		}
		_, localPort, ok := strings.Cut(f[1], ":")
		port, err := strconv.ParseUint(localPort, 16, 16)
		if !ok || err != nil || !slices.Contains(ports, int(port)) {
			continue
		}
		remote, _, _ := strings.Cut(f[2], ":")
		if a, ok := procAddress(remote); ok && !a.IsLoopback() {
			seen[a.String()] = true
		}
	}
	out := slices.AppendSeq([]string{}, maps.Keys(seen))
	slices.Sort(out)
	return out
}

// procAddress decodes an address as a little-endian machine writes it, which all are
// that Istio builds for.
func procAddress(text string) (netip.Addr, bool) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b)%4 != 0 {
		return netip.Addr{}, false
	}
	for i := 0; i < len(b); i += 4 {
		slices.Reverse(b[i : i+4])
	}
	a, ok := netip.AddrFromSlice(b)
	return a.Unmap(), ok
}
