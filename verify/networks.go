package verify

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/report"
)

var networks = Check{
	ID:       CheckNetworks,
	Title:    "network isolation",
	Proves:   "pods of one network reach each other and no gateway is between them; pods of different networks do not, and call through the gateways",
	Needs:    []Capability{CapabilityWorkload},
	Deadline: 15 * time.Second,
	Reasons: []Cause{
		clientMissing,
		workloadMissing,
		controlFailed,
		{
			ReasonPodUnreachable, "pods of one network do not reach each other",
			report.Remedy{
				Object:  "`ip route` on the node of the client",
				Text:    "the route to the pods of that cluster is missing or goes elsewhere; restore it",
				Command: "docker exec NODE systemctl enable --now meshwright-routes",
			},
		},
		{
			ReasonNotIsolated, "a pod reaches a pod of another network directly",
			report.Remedy{
				Object: "`ip route` on the nodes",
				Text:   "the pods are on one network: give both clusters the same `network`, or remove the route between them",
			},
		},
		{ReasonGatewayBypassed, "a proxy calls pods of another network directly", wrongNetworkLabel},
		{
			ReasonGatewayOnPath, "a proxy calls its own network through a gateway",
			report.Remedy{
				Object: "label topology.istio.io/network of the pods and of namespace istio-system in both clusters",
				Text:   "the labels differ, so that istiod treats clusters of one network as different networks",
			},
		},
		{
			ReasonCallerHidden, "a server sees the callers' node in place of the callers",
			report.Remedy{
				Text:    "the node of the callers must not masquerade connections to pods of its network; restore the exception, then restart the callers",
				Command: "docker exec NODE systemctl enable --now meshwright-routes",
			},
		},
		{
			ReasonPathUnproven, "no answer came from a cluster, more came than its endpoints carried, or no server has a connection of its caller",
			report.Remedy{Text: "see the checks " + CheckControlPlane + ", " + CheckDiscovery + " and " + CheckConnectivity + "; the evidence lists who is connected"},
		},
	},
	run: checkNetworks,
}

// Reasons of check "networks".
const (
	ReasonPodUnreachable  Reason = "PodUnreachable"
	ReasonNotIsolated     Reason = "NotIsolated"
	ReasonGatewayBypassed Reason = "GatewayBypassed"
	ReasonGatewayOnPath   Reason = "GatewayOnPath"
	ReasonCallerHidden    Reason = "CallerHidden"
	ReasonPathUnproven    Reason = "PathUnproven"
)

// NetworksData is what check "networks" measured.
type NetworksData struct {
	// Reaches are connections to pods by their own address, past the proxies.
	Reaches []Reach `json:"reaches"`
	// Paths are the calls through the proxies, by the client's cluster.
	Paths []Path `json:"paths"`
	// Responders are the connections to the servers as their own pods see them.
	Responders []Responder `json:"responders"`
}

// place is what the check needs of one cluster.
type place struct {
	*mesh.Member
	client  corev1.Pod
	servers []corev1.Pod // of the workload
	landing landing
}

// checkNetworks proves that clusters of one network reach each other directly, that
// clusters of different networks do not, and that requests take the path that
// follows from this.
func checkNetworks(ctx context.Context, m *session, out *outcome) {
	data := NetworksData{Reaches: []Reach{}, Paths: []Path{}, Responders: []Responder{}}
	if len(m.members) < 2 {
		out.data, out.summary = data, "one cluster: there is no other network or neighbour"
		return
	}
	places := m.places(ctx, out)
	if len(places) < len(m.members) {
		return // reported; what is left would prove half of it
	}
	m.findGateways(ctx, &outcome{}) // what is wrong with them is for check discovery to say
	var wg group
	wg.Go(func() { data.Reaches = m.reaches(ctx, places, out) })
	wg.Go(func() {
		data.Paths = m.paths(ctx, places, out)
		// After the calls, whose connections stay open for the next ones.
		data.Responders = m.responders(ctx, places, data.Paths, out)
	})
	wg.Wait()
	out.data = data
	direct, apart := 0, 0
	for _, r := range data.Reaches {
		switch {
		case r.From == r.To:
		case r.Near:
			direct++
		default:
			apart++
		}
	}
	var parts []string
	if direct > 0 {
		parts = append(parts, fmt.Sprintf("%s within a network: pod to pod, no gateway", count(direct, "path")))
	}
	if apart > 0 {
		parts = append(parts, fmt.Sprintf("%s between networks: closed to pods, open through gateways", count(apart, "path")))
	}
	if n := unseen(data.Paths); n > 0 {
		parts = append(parts, fmt.Sprintf("%s not seen by the servers: no connection stays open", count(n, "path")))
	}
	out.summary = strings.Join(parts, "; ")
}

// unseen counts the direct paths whose callers no server could show.
func unseen(paths []Path) int {
	n := 0
	for _, p := range paths {
		if p.Direct && !p.Seen {
			n++
		}
	}
	return n
}

// serving is how many clusters serve the workload.
func (m *session) serving() int {
	n := 0
	for _, c := range m.members {
		if len(m.workload.Versions[c.Name]) > 0 {
			n++
		}
	}
	return n
}

// places finds a client, the servers and a pod that listens in every cluster.
func (m *session) places(ctx context.Context, out *outcome) []*place {
	var mu sync.Mutex
	found := map[string]*place{}
	m.each(func(c *mesh.Member) {
		p, f := m.place(ctx, c)
		if f != nil {
			out.add(*f)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		found[c.Name] = p
	})
	var list []*place
	for _, c := range m.members {
		if p := found[c.Name]; p != nil {
			list = append(list, p)
		}
	}
	return list
}

func (m *session) place(ctx context.Context, c *mesh.Member) (*place, *Finding) {
	client, f := m.readyPod(ctx, c, m.workload.Clients())
	if f != nil {
		return nil, f
	}
	servers, err := c.Servers(ctx, m.workload)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, new(unreachable(c, "", err))
	}
	p := &place{Member: c, client: *client, servers: servers}
	if p.landing, err = m.landing(ctx, p); err != nil {
		return nil, new(unreachable(c, "", err))
	}
	if p.landing.pod.Name == "" {
		return nil, &Finding{
			Reason: ReasonWorkloadMissing, Cluster: c.Name,
			Message: "neither a server nor an ingress gateway is ready: there is nothing to connect to",
		}
	}
	return p, nil
}
