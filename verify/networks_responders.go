package verify

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/meshwright/meshwright/mesh"
)

// Responder is who is connected to a server, as its own pod sees it.
type Responder struct {
	Cluster string   `json:"cluster"`
	Pod     string   `json:"pod"`
	Peers   []string `json:"peers"`           // addresses
	Error   string   `json:"error,omitempty"` // why they are not known
}

// envoyInboundPort is where a sidecar receives what was sent to its pod.
const envoyInboundPort = 15006

// responders reads the servers' own tables of connections and judges each direct
// path by those of the cluster that answered. It adds to a path whether it was seen.
func (m *session) responders(ctx context.Context, places []*place, paths []Path, out *outcome) []Responder {
	var mu sync.Mutex
	list := []Responder{}
	var wg group
	for _, p := range places {
		for _, s := range p.servers {
			wg.Go(func() {
				r := Responder{Cluster: p.Name, Pod: s.Name, Peers: []string{}}
				if table, err := connections(ctx, p, &s); err != nil {
					r.Error = err.Error()
				} else {
					r.Peers = inboundPeers(table, envoyInboundPort, p.landing.serverPort)
				}
				mu.Lock()
				defer mu.Unlock()
				list = append(list, r)
			})
		}
	}
	wg.Wait()
	slices.SortFunc(list, func(a, b Responder) int { return strings.Compare(a.Cluster+"/"+a.Pod, b.Cluster+"/"+b.Pod) })
	for i := range paths {
		if paths[i].Direct && paths[i].Answers > 0 {
			judgeResponders(places, &paths[i], list, out)
		}
	}
	return list
}

// connections is the text of a server's tables, which all containers of a pod share:
// where its proxy's image has no command to read them (distroless), the
// application's may.
func connections(ctx context.Context, p *place, server *corev1.Pod) (string, error) {
	var got mesh.Output
	var err error
	for _, container := range []string{mesh.Sidecar, mesh.AppContainer(server)} {
		got, err = p.cluster.Exec(ctx, mesh.Ref(server), container, []string{"cat", "/proc/net/tcp", "/proc/net/tcp6"})
		if !noCommand(got, err) {
			break
		}
	}
	// A kernel without IPv6 has one of the two.
	if err == nil && len(got.Stdout) == 0 {
		err = fmt.Errorf("cat ended with code %d: %s", got.Code, strings.TrimSpace(excerpt(string(got.Stderr))))
	}
	return string(got.Stdout), err
}

// judgeResponders asks that the client of a path appears to a server that it called,
// under its own address. A client whose proxy keeps no connection open cannot be
// seen any more: its path stays unseen, which is no failure.
func judgeResponders(places []*place, path *Path, list []Responder, out *outcome) {
	find := func(name string) *place {
		return places[slices.IndexFunc(places, func(p *place) bool { return p.Name == name })]
	}
	from, to := find(path.From), find(path.To[0])
	itself, node := from.client.Status.PodIP, from.client.Status.HostIP
	hidden := false
	var evidence strings.Builder
	for _, r := range list {
		if r.Cluster != to.Name {
			continue
		}
		fmt.Fprintf(&evidence, "%s: %s%s\n", r.Pod, strings.Join(r.Peers, " "), r.Error)
		switch {
		case slices.Contains(r.Peers, itself):
			path.Seen = true
		case slices.Contains(r.Peers, node):
			hidden = true
			out.add(Finding{
				Reason: ReasonCallerHidden, Cluster: to.Name, Object: "pod " + r.Pod,
				Message: fmt.Sprintf("sees callers of %s under their node's address %s, and not as pod %s: the node masquerades them", from.Name, node, itself),
			}, textEvidence(to.member, EvidenceObject, "connected to pod "+r.Pod, strings.Join(r.Peers, "\n")))
		}
	}
	if !path.Seen && !hidden && path.Open > 0 {
		out.add(Finding{
			Reason: ReasonPathUnproven, Cluster: to.Name, Object: "servers",
			Message: fmt.Sprintf("the client of %s keeps %s open, and no server has one of its address %s", from.Name, count(int(path.Open), "connection"), itself), //nolint:gosec // a count
		}, textEvidence(to.member, EvidenceObject, "connected to the servers of "+to.Name, evidence.String()))
	}
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
