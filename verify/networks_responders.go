package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/meshwright/meshwright/mesh"
)

// Responder is who is connected to a server, as its own pod sees it.
type Responder struct {
	Cluster string   `json:"cluster"`
	Pod     string   `json:"pod"`
	Peers   []string `json:"peers"`           // addresses
	Error   string   `json:"error,omitempty"` // why they are not known
}

// responders reads the servers' own tables of connections and judges each path by those
// of the clusters that answered. It adds to a path whether it was seen.
func (m *session) responders(ctx context.Context, places []*place, paths []Path, out *outcome) []Responder {
	var mu sync.Mutex
	list := []Responder{}
	var wg group
	for _, p := range places {
		for _, s := range p.servers {
			wg.Go(func() {
				r := Responder{Cluster: p.Name, Pod: s.Name, Peers: []string{}}
				peers, err := p.Peers(ctx, &s, mesh.EnvoyInboundPort, p.landing.serverPort)
				if err != nil {
					r.Error = err.Error()
				} else {
					r.Peers = peers
				}
				mu.Lock()
				defer mu.Unlock()
				list = append(list, r)
			})
		}
	}
	wg.Wait()
	slices.SortFunc(list, func(a, b Responder) int { return strings.Compare(a.Cluster+"/"+a.Pod, b.Cluster+"/"+b.Pod) })
	var gateways map[string]bool
	asked := false
	if slices.ContainsFunc(paths, func(p Path) bool { return !p.Direct && p.Answers > 0 }) {
		gateways, asked = gatewayPods(ctx, places, out)
	}
	for i := range paths {
		switch path := &paths[i]; {
		case path.Answers == 0: // reported
		case path.Direct:
			judgeResponders(places, path, list, out)
		case asked:
			judgeGateways(places, path, list, gateways, out)
		}
	}
	return list
}

// gatewayPods are the networks and addresses of the running east-west gateways' pods, as
// "network address": two networks may use the same addresses. It reports whether all
// clusters could be asked.
func gatewayPods(ctx context.Context, places []*place, out *outcome) (found map[string]bool, asked bool) {
	found = map[string]bool{}
	for _, p := range places {
		if p.EastWestAddress == "" {
			continue
		}
		pods, err := p.Pods(ctx, "", mesh.EastWestSelector)
		if err != nil {
			out.add(unreachable(p.Member, "", err))
			return nil, false
		}
		for _, pod := range mesh.Running(pods) {
			found[p.Network+" "+pod.Status.PodIP] = true
		}
	}
	return found, true
}

// judgeGateways asks that the answers from another network passed one of its gateways:
// by the gateways' counters, or because a server that may have answered has a
// connection from a gateway's pod. After a change of its Gateways an Envoy carries
// requests on connections that its new counters know nothing of.
func judgeGateways(places []*place, path *Path, list []Responder, gateways map[string]bool, out *outcome) {
	var evidence strings.Builder
	for _, r := range list {
		if !slices.Contains(path.To, r.Cluster) {
			continue
		}
		fmt.Fprintf(&evidence, "%s: %s%s\n", r.Pod, strings.Join(r.Peers, " "), r.Error)
		if slices.ContainsFunc(r.Peers, func(a string) bool { return gateways[path.Network+" "+a] }) {
			path.Seen = true
		}
	}
	if path.Carried > 0 || path.Seen {
		return
	}
	to := places[slices.IndexFunc(places, func(p *place) bool { return p.Name == path.To[0] })]
	out.add(Finding{
		Reason: ReasonPathUnproven, Cluster: path.From, Object: "client pod",
		Message: fmt.Sprintf("%d answers came from %s, but no gateway of %s had a connection to the workload", path.Answers, strings.Join(path.To, ", "), path.Network),
	}, textEvidence(to.Member, EvidenceObject, "connected to the servers of "+strings.Join(path.To, ", "), evidence.String()))
}

// judgeResponders asks that the client of a path appears to a server that it called,
// under its own address. A client whose proxy keeps no connection open cannot be
// seen any more: its path stays unseen, which is not a failure.
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
			}, textEvidence(to.Member, EvidenceObject, "connected to pod "+r.Pod, strings.Join(r.Peers, "\n")))
		}
	}
	if !path.Seen && !hidden && path.Open > 0 {
		out.add(Finding{
			Reason: ReasonPathUnproven, Cluster: to.Name, Object: "servers",
			Message: fmt.Sprintf("the client of %s keeps %s open, and no server has one of its address %s", from.Name, count(int(path.Open), "connection"), itself), //nolint:gosec // a count
		}, textEvidence(to.Member, EvidenceObject, "connected to the servers of "+to.Name, evidence.String()))
	}
}
