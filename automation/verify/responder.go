package verify

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/meshwright/meshwright/automation/verify/probe"
)

// Responder is who is connected to a server, as its own pod sees it.
type Responder struct {
	Cluster string   `json:"cluster"`
	Pod     string   `json:"pod"`
	Peers   []string `json:"peers"` // addresses
}

// envoyInboundPort is where a sidecar receives what was sent to its pod.
const envoyInboundPort = 15006

// responders reads the servers' own tables of connections and judges that a
// client of the same network is seen under its pod's address. Where the table
// cannot be had, or no connection was kept, there is nothing to judge: the
// counters of the callers' proxies have proven the way.
func (m *mesh) responders(ctx context.Context, places []*place, out *outcome) []Responder {
	var mu sync.Mutex
	list := []Responder{}
	var wg group
	for _, p := range places {
		for _, s := range p.servers {
			wg.Go(func() {
				got, err := p.cluster.Exec(ctx, probe.Ref(&s), sidecar, []string{"cat", "/proc/net/tcp", "/proc/net/tcp6"})
				if err != nil || len(got.Stdout) == 0 {
					return
				}
				r := Responder{Cluster: p.Name, Pod: s.Name, Peers: inboundPeers(string(got.Stdout), envoyInboundPort, p.landing.serverPort)}
				mu.Lock()
				list = append(list, r)
				mu.Unlock()
				for _, peer := range places {
					hidden := slices.Contains(r.Peers, peer.client.Status.HostIP) && !slices.Contains(r.Peers, peer.client.Status.PodIP)
					if peer.Name != p.Name && peer.Network == p.Network && hidden {
						out.add(Finding{
							Reason: ReasonCallerHidden, Cluster: p.Name, Object: "pod " + s.Namespace + "/" + s.Name,
							Message: fmt.Sprintf("sees callers of %s under their node's address %s, and not as pod %s: the node masquerades them",
								peer.Name, peer.client.Status.HostIP, peer.client.Status.PodIP),
						}, textEvidence(p.member, EvidenceObject, "connected to pod "+s.Name, strings.Join(r.Peers, "\n")))
					}
				}
			})
		}
	}
	wg.Wait()
	slices.SortFunc(list, func(a, b Responder) int { return strings.Compare(a.Cluster+"/"+a.Pod, b.Cluster+"/"+b.Pod) })
	return list
}

// inboundPeers returns the addresses that hold connections to the local ports, sorted, from
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
	out := make([]string, 0, len(seen))
	for a := range seen {
		out = append(out, a)
	}
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
