package verify

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/report"
)

var discovery = Check{
	ID:       CheckDiscovery,
	Title:    "discovery across clusters",
	Proves:   "every control plane reads every cluster, and every proxy holds the endpoints of every cluster and has rejected nothing",
	Needs:    []Capability{CapabilityWorkload},
	Deadline: 15 * time.Second,
	Reasons: []Cause{
		{
			ReasonRemoteMissing, "istiod does not watch a peer cluster",
			report.Remedy{
				Operation: report.OperationRefresh,
				Text:      "the remote secret is missing; restore it, or create it by hand",
				Command:   "istioctl create-remote-secret",
			},
		},
		{
			ReasonRemoteNotSynced, "istiod cannot read a peer cluster",
			report.Remedy{
				Object: "the remote secret of the peer cluster",
				Text:   "the server in the secret must be reachable from a pod, never 127.0.0.1, and its token must be valid",
			},
		},
		{
			ReasonProxyDisconnected, "a proxy is connected to no istiod",
			report.Remedy{Object: "the readiness of istiod and the endpoints of its Service", Text: "the proxy cannot reach istiod"},
		},
		{
			ReasonServiceMissing, "the Service does not exist in a caller's cluster",
			report.Remedy{Text: "create the Service in the callers' cluster too: sidecars resolve only names that exist there"},
		},
		{
			ReasonEndpointDirect, "a proxy holds a pod of another network by its own address, in place of that network's gateway",
			wrongNetworkLabel,
		},
		workloadMissing,
		{
			ReasonWorkloadNotRolledOut, "a rollout of the workload is not complete",
			report.Remedy{
				Text:    "new pods are not ready, or old ones remain; see what the pod waits for",
				Command: "kubectl -n NAMESPACE get deployments,pods",
			},
		},
		{
			ReasonGatewayNetworkWrong, "the Service of a gateway names another network than that of its cluster",
			report.Remedy{
				Object: "label topology.istio.io/network of the gateway's Service",
				Text:   "istiod takes the Service's address for a gateway of the network that its label names",
			},
		},
		{
			ReasonEndpointMissing, "a proxy lacks the endpoints of a cluster",
			report.Remedy{
				Object:  "the remote secret, the network labels and the address of the east-west gateway",
				Text:    "compare the endpoints of the proxy with the pods",
				Command: "istioctl proxy-config endpoints POD -n NAMESPACE",
			},
		},
		{
			ReasonEndpointUnexpected, "a proxy holds an endpoint that belongs to no cluster",
			report.Remedy{Text: "the endpoint is stale; if it stays, restart the istiod that serves the proxy"},
		},
		{
			ReasonConfigRejected, "a proxy rejected the configuration that istiod has for it, and uses an older one",
			report.Remedy{
				Object:  `the EnvoyFilters, and the log of istiod, for "ADS:.* ACK ERROR"`,
				Text:    "remove or mend what the proxy rejects; a proxy without Istio's own filters needs the switches that `artifacts: airgap` sets",
				Command: "kubectl get envoyfilters.networking.istio.io -A",
			},
		},
	},
	run: checkDiscovery,
}

// wrongNetworkLabel is the remedy where a cluster's pods appear on another network.
var wrongNetworkLabel = report.Remedy{
	Object: "label topology.istio.io/network of these pods, or else of namespace istio-system of their cluster",
	Text:   "the label names the wrong network, so that istiod treats the pods as neighbours",
}

// Reasons of check "discovery".
const (
	ReasonRemoteMissing        Reason = "RemoteMissing"
	ReasonRemoteNotSynced      Reason = "RemoteNotSynced"
	ReasonProxyDisconnected    Reason = "ProxyDisconnected"
	ReasonServiceMissing       Reason = "ServiceMissing"
	ReasonEndpointDirect       Reason = "EndpointDirect"
	ReasonWorkloadNotRolledOut Reason = "WorkloadNotRolledOut"
	ReasonGatewayNetworkWrong  Reason = "GatewayNetworkWrong"
	ReasonEndpointMissing      Reason = "EndpointMissing"
	ReasonEndpointUnexpected   Reason = "EndpointUnexpected"
	ReasonConfigRejected       Reason = "ConfigRejected"
)

// DiscoveryData is what check "discovery" measured.
type DiscoveryData struct {
	// Remotes is istiod's own account: control plane -> cluster -> sync status.
	Remotes map[string]map[string]string `json:"remotes"`
	// Endpoints is what each proxy holds for the workload.
	Endpoints []ProxyEndpoints `json:"endpoints"`
	// Rejects is istiod's counter pilot_total_xds_rejects since it started. Configuration
	// that was rejected and then withdrawn counts, and does no harm any more.
	Rejects map[string]float64 `json:"rejects"`
}

// ProxyEndpoints are the workload's endpoints in one proxy.
type ProxyEndpoints struct {
	Cluster   string          `json:"cluster"`
	Pod       string          `json:"pod"`
	Endpoints []mesh.Endpoint `json:"endpoints"`
}

// census is what the cluster itself says about the workload.
type census struct {
	pods     []string          // addresses of all running server pods
	ready    []string          // of those that are ready
	deployed bool              // the Service exists
	rollouts map[string]string // why a deployment's rollout is not complete, by name
}

func checkDiscovery(ctx context.Context, m *session, out *outcome) {
	m.findGateways(ctx, out)
	data := DiscoveryData{Remotes: map[string]map[string]string{}, Rejects: map[string]float64{}, Endpoints: []ProxyEndpoints{}}
	var mu sync.Mutex
	truth := map[string]census{}
	connected := map[string]map[string]mesh.ProxySync{} // control plane -> "cluster/proxy id"
	m.each(func(c *mesh.Member) {
		got, err := m.census(ctx, c)
		if err != nil {
			out.add(unreachable(c, "", err))
			return
		}
		mu.Lock()
		truth[c.Name] = got
		mu.Unlock()
		if !c.Primary() {
			return
		}
		view, err := c.ControlPlaneState(ctx)
		if err != nil {
			out.add(unreachable(c, "istiod", err), logEvidence(c, mesh.SystemNamespace, mesh.IstiodSelector, "discovery"))
			return
		}
		mu.Lock()
		data.Remotes[c.Name], data.Rejects[c.Name], connected[c.Name] = view.Remotes, view.Rejects, view.Proxies
		mu.Unlock()
		m.judgeRemotes(c, view, out)
	})
	for _, c := range m.members {
		got, ok := truth[c.Name]
		switch {
		case !ok: // already reported
		case !got.deployed:
			out.add(Finding{Reason: ReasonServiceMissing, Cluster: c.Name, Object: "service " + m.workload.Namespace + "/" + m.workload.Service, Message: "does not exist"})
		case len(m.workload.Versions[c.Name]) > 0 && len(got.ready) == 0:
			out.add(Finding{Reason: ReasonWorkloadMissing, Cluster: c.Name, Object: "service " + m.workload.Namespace + "/" + m.workload.Service, Message: "has no ready pod"})
		}
		for _, name := range slices.Sorted(maps.Keys(got.rollouts)) {
			out.add(Finding{Reason: ReasonWorkloadNotRolledOut, Cluster: c.Name, Object: "deployment " + m.workload.Namespace + "/" + name, Message: got.rollouts[name]})
		}
	}
	if len(truth) < len(m.members) {
		return // endpoints cannot be judged against a truth that is not known
	}
	m.each(func(c *mesh.Member) {
		proxies, err := c.Proxies(ctx, m.workload)
		if err != nil {
			out.add(unreachable(c, "", err))
			return
		}
		var wg group
		for _, p := range proxies {
			if p.Role == mesh.RoleEastWest { // passes TLS through by name and holds no outbound clusters of its own
				continue
			}
			wg.Go(func() {
				list, f := m.endpoints(ctx, p)
				if f != nil {
					out.add(*f, proxyLogEvidence(c, mesh.Ref(&p.Pod)))
					return
				}
				mu.Lock()
				data.Endpoints = append(data.Endpoints, ProxyEndpoints{Cluster: c.Name, Pod: p.Pod.Name, Endpoints: list})
				mu.Unlock()
				m.judgeEndpoints(p, list, truth, out)
			})
		}
		wg.Wait()
		if seen, ok := connected[c.ControlPlane]; ok {
			for _, p := range proxies {
				judgeConnection(p, seen, out)
			}
		}
	})
	sort.Slice(data.Endpoints, func(i, j int) bool {
		a, b := data.Endpoints[i], data.Endpoints[j]
		return a.Cluster+"/"+a.Pod < b.Cluster+"/"+b.Pod
	})
	out.data = data
	out.summary = fmt.Sprintf("%s of %s in sync, %d proxies hold the endpoints of %s, 0 rejects",
		count(len(m.controlPlanes()), "control plane"), count(len(m.members), "cluster"), len(data.Endpoints), count(len(m.members), "cluster"))
}

// census counts the workload's pods in c. A Service that does not exist is a
// fact, not an error.
func (m *session) census(ctx context.Context, c *mesh.Member) (census, error) {
	service, err := c.Service(ctx, m.workload.Namespace, m.workload.Service)
	if apierrors.IsNotFound(err) {
		return census{}, nil
	}
	if err != nil {
		return census{}, err
	}
	out := census{deployed: true, rollouts: map[string]string{}}
	if len(service.Spec.Selector) == 0 {
		return out, nil
	}
	behind := labels.SelectorFromSet(service.Spec.Selector)
	pods, err := c.Pods(ctx, m.workload.Namespace, behind.String())
	if err != nil {
		return census{}, err
	}
	deployments, err := c.Deployments(ctx, m.workload.Namespace, "")
	if err != nil {
		return census{}, err
	}
	for _, d := range deployments {
		if !behind.Matches(labels.Set(d.Spec.Template.Labels)) {
			continue
		}
		if why := c.Rollout(ctx, &d); why != "" {
			out.rollouts[d.Name] = why
		}
	}
	for _, p := range mesh.Running(pods) {
		out.pods = append(out.pods, p.Status.PodIP)
		if mesh.Ready(&p) {
			out.ready = append(out.ready, p.Status.PodIP)
		}
	}
	return out, nil
}

func (m *session) judgeRemotes(c *mesh.Member, view *mesh.ControlPlaneState, out *outcome) {
	evidence := []gather{
		textEvidence(c, EvidenceConfig, "istiod /debug/clusterz", view.Raw),
		logEvidence(c, mesh.SystemNamespace, mesh.IstiodSelector, "discovery"),
	}
	for _, peer := range m.members {
		status, known := view.Remotes[peer.Name]
		switch {
		case !known:
			out.add(Finding{Reason: ReasonRemoteMissing, Cluster: c.Name, Object: "istiod", Message: "does not watch cluster " + peer.Name}, evidence...)
		case status != mesh.Synced:
			out.add(Finding{
				Reason: ReasonRemoteNotSynced, Cluster: c.Name, Object: "istiod",
				Message: fmt.Sprintf("cluster %s is %q, not synced", peer.Name, status),
			}, evidence...)
		}
	}
	var rejected []string
	for id, p := range view.Proxies {
		for _, r := range p.Rejects() {
			rejected = append(rejected, id+": "+r)
		}
	}
	if len(rejected) > 0 {
		sort.Strings(rejected)
		out.add(Finding{
			Reason: ReasonConfigRejected, Cluster: c.Name, Object: "istiod",
			Message: fmt.Sprintf("%s in force: %s", count(len(rejected), "reject"), report.Clip(rejected[0], 300)),
		}, textEvidence(c, EvidenceConfig, "rejects in force (istiod /debug/syncz)", strings.Join(rejected, "\n")), evidence[1])
	}
}

func judgeConnection(p mesh.Proxy, seen map[string]mesh.ProxySync, out *outcome) {
	id := p.Member.Name + "/" + p.Pod.Name + "." + p.Pod.Namespace
	if _, ok := seen[id]; !ok {
		out.add(Finding{
			Reason: ReasonProxyDisconnected, Cluster: p.Member.Name, Object: p.Object(),
			Message: "is connected to no istiod of control plane " + p.Member.ControlPlane,
		}, proxyLogEvidence(p.Member, mesh.Ref(&p.Pod)))
	}
}

// endpoints asks one proxy for the workload's endpoints.
func (m *session) endpoints(ctx context.Context, p mesh.Proxy) ([]mesh.Endpoint, *Finding) {
	dump, err := p.Admin(ctx, "/clusters?format=json")
	if err != nil {
		return nil, new(unreachable(p.Member, p.Object(), err))
	}
	list, found, err := mesh.ParseEndpoints(dump, m.workload.Outbound())
	if err != nil {
		return nil, &Finding{Reason: ReasonProbeFailed, Cluster: p.Member.Name, Object: p.Object(), Message: err.Error()}
	}
	if !found {
		return nil, &Finding{
			Reason: ReasonEndpointMissing, Cluster: p.Member.Name, Object: p.Object(),
			Message: "does not know " + m.workload.Outbound(),
		}
	}
	return list, nil
}

// judgeEndpoints compares what a proxy holds with what the clusters have: the
// pods of clusters on its own network, the gateways of the other networks.
func (m *session) judgeEndpoints(p mesh.Proxy, list []mesh.Endpoint, truth map[string]census, out *outcome) {
	held := map[string]bool{}
	for _, e := range list {
		held[e.Address] = true
	}
	explained := map[string]bool{}
	report := func(reason Reason, format string, args ...any) {
		out.add(Finding{Reason: reason, Cluster: p.Member.Name, Object: p.Object(), Message: fmt.Sprintf(format, args...)},
			textEvidence(p.Member, EvidenceConfig, "endpoints in "+p.Object(), statusYAML(list)))
	}
	for _, peer := range m.members {
		near := peer.Network == p.Member.Network
		direct := false
		for _, ip := range truth[peer.Name].pods {
			addr := net.JoinHostPort(ip, m.targetPort(list, ip))
			switch {
			case near && held[addr]:
				explained[addr] = true
			case near && slices.Contains(truth[peer.Name].ready, ip):
				report(ReasonEndpointMissing, "lacks pod %s of %s; it holds %s", ip, peer.Name, addresses(list))
			case !near && held[addr]:
				direct = true
				explained[addr] = true
				report(ReasonEndpointDirect, "goes straight to pod %s of %s, which is on another network (%s, not %s)",
					addr, peer.Name, peer.Network, p.Member.Network)
			}
		}
		if near || len(truth[peer.Name].ready) == 0 {
			continue
		}
		reachable := false
		for _, g := range m.gatewaysOfNetwork(peer.Network) {
			if held[g] {
				reachable, explained[g] = true, true
			}
		}
		if !reachable && !direct {
			report(ReasonEndpointMissing, "has no endpoint for %s: none of %s among %s",
				peer.Name, strings.Join(m.gatewaysOfNetwork(peer.Network), ", "), addresses(list))
		}
	}
	for _, e := range list {
		if !explained[e.Address] {
			report(ReasonEndpointUnexpected, "holds %s, which belongs to no pod and no gateway", e.Address)
		}
	}
}

// targetPort returns the port under which the proxy holds a pod: the pod's own
// port, which the Service maps to.
func (m *session) targetPort(list []mesh.Endpoint, ip string) string {
	for _, e := range list {
		if host, port, err := net.SplitHostPort(e.Address); err == nil && host == ip {
			return port
		}
	}
	return strconv.Itoa(m.workload.Port)
}

func addresses(list []mesh.Endpoint) string {
	if len(list) == 0 {
		return "none"
	}
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = e.Address
	}
	return strings.Join(out, ", ")
}
