package verify

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/meshwright/meshwright/mesh"
)

// Path is how one client's calls to one other network, or to one other cluster
// of its own, got there.
type Path struct {
	From    string   `json:"from"`    // the client's cluster
	Network string   `json:"network"` // of those that answered
	To      []string `json:"to"`      // the clusters that may have answered
	Direct  bool     `json:"direct"`  // whether pods are called themselves, and not a gateway
	Calls   int      `json:"calls"`   // of the client, to wherever
	Answers int      `json:"answers"` // that came from there
	// Endpoints are those that must have carried the calls, and Requests how many
	// the client's proxy sent to them meanwhile; others may have called as well.
	Endpoints []string `json:"endpoints"`
	Requests  uint64   `json:"requests"`
	// Carried is the connections that the network's gateways had to the workload, by
	// their own counters; absent for a direct path. An Envoy counts anew when its
	// configuration is replaced, while the connections live on.
	Carried uint64 `json:"carried,omitempty"`
	// Open is the connections that the client's proxy kept to the endpoints, and Seen
	// says that a server has one from the client's own address, or from a gateway's
	// pod where the path is not direct.
	Open uint64 `json:"open"`
	Seen bool   `json:"seen,omitempty"`
}

// tally counts what an Envoy sent to each host of one of its clusters.
type tally map[string]mesh.HostStats

// used reports whether anything was ever tried on the host since before.
func (t tally) used(before tally, address string) bool {
	now, then := t[address], before[address]
	return now.Requests > then.Requests || now.Connections > then.Connections
}

// tallyOf reads one cluster of a proxy; a proxy without it sent nothing there.
func tallyOf(ctx context.Context, p mesh.Proxy, cluster string) (tally, *Finding) {
	dump, err := p.Admin(ctx, "/clusters?format=json")
	if err != nil {
		return nil, new(unreachable(p.Member, p.Object(), err))
	}
	t, err := mesh.ParseHostStats(dump, cluster)
	if err != nil {
		return nil, &Finding{Reason: ReasonProbeFailed, Cluster: p.Member.Name, Object: p.Object(), Message: err.Error()}
	}
	return t, nil
}

// paths calls the workload from every cluster and judges by the counters of the
// proxies on the way how the answers came. Other callers share the
// counters: at least as many requests as answers must have gone the right way, and
// none at all the wrong way.
func (m *session) paths(ctx context.Context, places []*place, out *outcome) []Path {
	where := map[string]string{}
	for _, p := range places {
		for _, s := range p.servers {
			where[s.Name] = p.Name
		}
	}
	gatewaysBefore := m.carried(ctx, places, out)
	type round struct {
		batch         *batch
		before, after tally
	}
	rounds := make([]round, len(places))
	var wg group
	for i, p := range places {
		wg.Go(func() {
			client := mesh.Proxy{Member: p.Member, Pod: p.client, Role: mesh.RoleClient}
			before, f := tallyOf(ctx, client, m.workload.Outbound())
			var b *batch
			if f == nil {
				n := m.powerToSee(p.Member, m.serving()).Requests
				b, f = m.callFromPod(ctx, p.Member, "mesh", m.workload.URL(), n)
			}
			var after tally
			if f == nil {
				after, f = tallyOf(ctx, client, m.workload.Outbound())
			}
			if f != nil {
				out.add(*f)
				return
			}
			b.count(where)
			rounds[i] = round{b, before, after}
		})
	}
	wg.Wait()
	gatewaysAfter := m.carried(ctx, places, out)

	list := []Path{}
	for i, p := range places {
		r := rounds[i]
		if r.batch == nil {
			continue
		}
		for _, path := range m.ways(places, p) {
			path.Calls = r.batch.stats.Requests
			for _, c := range path.To {
				path.Answers += r.batch.stats.Clusters[c]
			}
			for _, e := range path.Endpoints {
				if r.after[e].Requests > r.before[e].Requests {
					path.Requests += r.after[e].Requests - r.before[e].Requests
				}
				path.Open += r.after[e].Open
			}
			if !path.Direct {
				path.Carried = gatewaysAfter[path.Network].since(gatewaysBefore[path.Network])
			}
			m.judgePath(p, path, r.batch, out)
			list = append(list, path)
		}
		m.judgeDetours(places, p, r.before, r.after, out)
	}
	m.judgeIdleGateways(gatewaysBefore, gatewaysAfter, out)
	return list
}

// ways lists those that the calls of p's client to the other clusters must take,
// as far as a rule for traffic lets them go there.
func (m *session) ways(places []*place, p *place) []Path {
	var list []Path
	others := map[string]*Path{}
	var order []string
	percent := m.reach(p.Member)
	for _, peer := range places {
		kept := percent != nil && percent[peer.Region] == 0
		if peer.Name == p.Name || len(m.workload.Versions[peer.Name]) == 0 || kept {
			continue
		}
		if peer.Network == p.Network {
			path := Path{From: p.Name, Network: peer.Network, To: []string{peer.Name}, Direct: true, Endpoints: []string{}}
			for _, s := range peer.servers {
				path.Endpoints = append(path.Endpoints, m.serverAddress(peer, s))
			}
			list = append(list, path)
			continue
		}
		if others[peer.Network] == nil {
			others[peer.Network] = &Path{From: p.Name, Network: peer.Network, Endpoints: m.gatewaysOfNetwork(peer.Network)}
			order = append(order, peer.Network)
		}
		others[peer.Network].To = append(others[peer.Network].To, peer.Name)
	}
	for _, n := range order {
		list = append(list, *others[n])
	}
	return list
}

// serverAddress is where a server pod is called directly.
func (m *session) serverAddress(p *place, pod corev1.Pod) string {
	return net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(p.landing.serverPort))
}

// judgePath decides whether the answers that came from a network went the way
// that they should.
func (m *session) judgePath(p *place, path Path, b *batch, out *outcome) {
	to := strings.Join(path.To, ", ")
	evidence := b.evidence()
	report := func(format string, args ...any) {
		out.add(Finding{Reason: ReasonPathUnproven, Cluster: p.Name, Object: "client pod", Message: fmt.Sprintf(format, args...)}, evidence...)
	}
	switch {
	case path.Answers == 0:
		report("none of %d answers came from %s: their path is not known (%s)", b.stats.Requests-b.stats.Errors, to, shares(b.stats.Clusters))
	case path.Requests < uint64(path.Answers): //nolint:gosec // a count
		report("%d answers came from %s, but only %d requests went to %s", path.Answers, to, path.Requests, strings.Join(path.Endpoints, ", "))
	}
}

// judgeDetours looks for endpoints that a client's proxy must not use: pods of
// another network, and gateways of its own.
func (m *session) judgeDetours(places []*place, p *place, before, after tally, out *outcome) {
	near := map[string]bool{}
	for _, peer := range places {
		if peer.Network == p.Network {
			for _, s := range peer.servers {
				near[m.serverAddress(peer, s)] = true
			}
		}
	}
	for _, peer := range places {
		if peer.Network == p.Network {
			continue
		}
		for _, s := range peer.servers {
			address := m.serverAddress(peer, s)
			if _, held := after[address]; held && !near[address] {
				out.add(Finding{
					Reason: ReasonGatewayBypassed, Cluster: p.Name, Object: "pod " + p.client.Namespace + "/" + p.client.Name,
					Message: fmt.Sprintf("calls pod %s of %s at %s itself; %s must be called through its gateway", s.Name, peer.Name, address, peer.Network),
				}, tallyEvidence(p, after))
			}
		}
	}
	for _, address := range m.gatewaysOfNetwork(p.Network) {
		if after.used(before, address) {
			out.add(Finding{
				Reason: ReasonGatewayOnPath, Cluster: p.Name, Object: "pod " + p.client.Namespace + "/" + p.client.Name,
				Message: fmt.Sprintf("calls its own network %s through the gateway %s", p.Network, address),
			}, tallyEvidence(p, after))
		}
	}
}

func tallyEvidence(p *place, t tally) gather {
	var b strings.Builder
	for _, h := range slices.Sorted(maps.Keys(t)) {
		fmt.Fprintf(&b, "%-22s %d requests, %d connections, %d open\n", h, t[h].Requests, t[h].Connections, t[h].Open)
	}
	return textEvidence(p.Member, EvidenceConfig, "what the proxy of pod "+mesh.Ref(&p.client).String()+" sent to each endpoint", b.String())
}

// passed is what the gateways of one network had to do with the workload.
type passed struct{ connections, open uint64 }

// since is the connections in use or made since before.
func (p passed) since(before passed) uint64 {
	made := uint64(0)
	if p.connections > before.connections {
		made = p.connections - before.connections
	}
	return max(made, p.open)
}

// carried asks every east-west gateway, by network.
func (m *session) carried(ctx context.Context, places []*place, out *outcome) map[string]passed {
	var mu sync.Mutex
	sum := map[string]passed{}
	var wg group
	for _, p := range places {
		if p.EastWestAddress == "" {
			continue
		}
		wg.Go(func() {
			pods, err := p.Pods(ctx, "", mesh.EastWestSelector)
			if err != nil {
				out.add(unreachable(p.Member, "", err))
				return
			}
			for _, pod := range mesh.Running(pods) {
				t, f := tallyOf(ctx, mesh.Proxy{Member: p.Member, Pod: pod, Role: mesh.RoleEastWest}, m.workload.Passthrough())
				if f != nil {
					out.add(*f)
					continue
				}
				mu.Lock()
				now := sum[p.Network]
				for _, h := range t {
					now.connections += h.Connections
					now.open += h.Open
				}
				sum[p.Network] = now
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return sum
}

// judgeIdleGateways: in a mesh of one network no gateway carries the workload; it
// serves remotes their control plane.
func (m *session) judgeIdleGateways(before, after map[string]passed, out *outcome) {
	if m.networks() > 1 {
		return
	}
	for network, p := range after {
		if p.since(before[network]) > 0 {
			out.add(Finding{
				Reason: ReasonGatewayOnPath, Object: "east-west gateway",
				Message: fmt.Sprintf("carries %s to the workload, in a mesh of the one network %s", count(int(p.open), "connection"), network), //nolint:gosec // a count
			})
		}
	}
}
