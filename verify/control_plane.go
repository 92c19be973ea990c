package verify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/meshwright/meshwright/load/call"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/report"
)

var controlPlane = Check{
	ID:       CheckControlPlane,
	Title:    "control planes, gateways and addresses",
	Proves:   "every istiod and gateway is available, and every gateway answers at the address planned for it",
	Deadline: 15 * time.Second,
	Reasons: []Cause{
		{
			ReasonControlPlaneMissing, "istiod is not installed",
			report.Remedy{Operation: report.OperationRefresh, Text: "install istiod"},
		},
		{
			ReasonControlPlaneUnavailable, "istiod is scaled to 0, not ready, or its latest change is not rolled out",
			report.Remedy{
				Text:    "look at the deployment and its log",
				Command: "kubectl -n istio-system describe deployment istiod; kubectl -n istio-system logs deploy/istiod",
			},
		},
		{
			ReasonGatewayMissing, "a gateway is not installed",
			report.Remedy{Operation: report.OperationRefresh, Text: "install the gateway"},
		},
		{
			ReasonGatewayUnavailable, "a gateway is scaled to 0, not ready, or its latest change is not rolled out",
			report.Remedy{
				Text:    "a gateway with 0 replicas, or one whose proxy is not ready, serves nothing",
				Command: "kubectl -n istio-system get deploy,pods",
			},
		},
		{
			ReasonAddressPending, "the load balancer assigned no address",
			report.Remedy{Text: "look at the load balancer and its address pools", Command: "kubectl -n metallb-system get pods,ipaddresspools"},
		},
		{
			ReasonAddressMismatch, "the address is not the planned one",
			report.Remedy{Operation: report.OperationRefresh, Text: "restore the planned address, or look for another user of the address pool"},
		},
		{
			ReasonAddressSilent, "nothing answers at the address",
			report.Remedy{Text: "no node announces the address, or its gateway does not listen", Command: "kubectl -n metallb-system logs ds/metallb-speaker"},
		},
		{
			ReasonCrossNetworkPortClosed, "the gateway is ready, but nothing opens port 15443",
			report.Remedy{
				Operation: report.OperationRefresh,
				Text:      "a Gateway with port 15443, AUTO_PASSTHROUGH and selector istio=eastwestgateway is missing",
				Command:   "kubectl get gateways.networking.istio.io -A",
			},
		},
	},
	run: checkControlPlane,
}

// Reasons of check "control-plane".
const (
	ReasonControlPlaneMissing     Reason = "ControlPlaneMissing"
	ReasonControlPlaneUnavailable Reason = "ControlPlaneUnavailable"
	ReasonGatewayMissing          Reason = "GatewayMissing"
	ReasonGatewayUnavailable      Reason = "GatewayUnavailable"
	ReasonAddressPending          Reason = "AddressPending"
	ReasonAddressMismatch         Reason = "AddressMismatch"
	ReasonAddressSilent           Reason = "AddressSilent"
	ReasonCrossNetworkPortClosed  Reason = "CrossNetworkPortClosed"
)

// ControlPlaneData is what check "control-plane" measured.
type ControlPlaneData struct {
	Gateways []GatewayData `json:"gateways"`
}

// GatewayData is one gateway's address and where it was seen to answer from.
type GatewayData struct {
	Cluster string `json:"cluster"`
	Gateway string `json:"gateway"`
	Address string `json:"address"`
	From    string `json:"from"` // "host", or the pod that was used because the host has no route
}

// checkControlPlane looks at istiod and the gateways, then connects to every gateway's
// planned address: readiness on 15021, and on the east-west gateway of a mesh
// with several networks also port 15443, which only a Gateway object opens.
func checkControlPlane(ctx context.Context, m *session, out *outcome) {
	var mu sync.Mutex
	data := ControlPlaneData{Gateways: []GatewayData{}}
	m.each(func(c *mesh.Member) {
		if c.Primary() {
			if err := checkIstiod(ctx, c, out); err != nil {
				out.add(unreachable(c, "", err))
				return // the rest would say the same
			}
		}
		for _, g := range gatewaysOf(m, c) {
			seen, err := checkGateway(ctx, m, c, g, out)
			if err != nil {
				out.add(unreachable(c, "", err))
				return
			}
			if seen != nil {
				mu.Lock()
				data.Gateways = append(data.Gateways, *seen)
				mu.Unlock()
			}
		}
	})
	out.data = data
	out.summary = fmt.Sprintf("%s available, %s answering as planned",
		count(len(m.controlPlanes()), "control plane"), count(len(data.Gateways), "gateway"))
}

// controlPlanes returns the names of the clusters that run an istiod.
func (m *session) controlPlanes() []string {
	var out []string
	for _, c := range m.members {
		if c.Primary() {
			out = append(out, c.Name)
		}
	}
	return out
}

func checkIstiod(ctx context.Context, c *mesh.Member, out *outcome) error {
	list, err := c.Deployments(ctx, mesh.SystemNamespace, mesh.IstiodSelector)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		out.add(Finding{Reason: ReasonControlPlaneMissing, Cluster: c.Name, Message: "no istiod deployment in " + mesh.SystemNamespace})
		return nil
	}
	for _, d := range list {
		if why := unavailable(ctx, c, &d); why != "" {
			out.add(Finding{Reason: ReasonControlPlaneUnavailable, Cluster: c.Name, Object: objectOf(&d), Message: why},
				deploymentEvidence(c, &d), logEvidence(c, mesh.SystemNamespace, mesh.IstiodSelector, "discovery"))
		}
	}
	return nil
}

// gateway is one gateway that the plan asks for.
type gateway struct {
	name     string
	selector string
	address  string
	cross    bool // must also have 15443 open
}

func gatewaysOf(m *session, c *mesh.Member) []gateway {
	var out []gateway
	if c.IngressAddress != "" {
		out = append(out, gateway{name: "ingress gateway", selector: mesh.IngressSelector, address: c.IngressAddress})
	}
	if c.EastWestAddress != "" {
		out = append(out, gateway{name: "east-west gateway", selector: mesh.EastWestSelector, address: c.EastWestAddress, cross: m.networks() > 1})
	}
	return out
}

// networks counts the networks of the mesh.
func (m *session) networks() int {
	seen := map[string]bool{}
	for _, c := range m.members {
		seen[c.Network] = true
	}
	return len(seen)
}

// checkGateway returns what it saw of a gateway that is as it should be, nil
// for one that is not, and an error when the API server does not answer.
func checkGateway(ctx context.Context, m *session, c *mesh.Member, g gateway, out *outcome) (*GatewayData, error) {
	deployments, err := c.Deployments(ctx, "", g.selector)
	if err != nil {
		return nil, err
	}
	services, err := c.Services(ctx, "", g.selector)
	if err != nil {
		return nil, err
	}
	deployments, services = ownGateway(deployments, services, g.address)
	if len(deployments) == 0 || len(services) == 0 {
		out.add(Finding{
			Reason: ReasonGatewayMissing, Cluster: c.Name, Object: g.name,
			Message: fmt.Sprintf("%s and %s labelled %s", count(len(deployments), "deployment"), count(len(services), "service"), g.selector),
		})
		return nil, nil
	}
	healthy := true
	for _, d := range deployments {
		if why := unavailable(ctx, c, &d); why != "" {
			healthy = false
			out.add(Finding{Reason: ReasonGatewayUnavailable, Cluster: c.Name, Object: objectOf(&d), Message: why},
				deploymentEvidence(c, &d), logEvidence(c, d.Namespace, g.selector, "istio-proxy"))
		}
	}
	for _, s := range services {
		if f, ok := checkAddress(c, &s, g.address); !ok {
			healthy = false
			out.add(f, serviceEvidence(c, &s))
		}
	}
	if !healthy {
		return nil, nil // its address says nothing new
	}
	from, err := m.answers(ctx, c, g.address)
	if err != nil {
		out.add(Finding{
			Reason: ReasonAddressSilent, Cluster: c.Name, Object: g.name,
			Message: fmt.Sprintf("%s does not answer: %v", net.JoinHostPort(g.address, strconv.Itoa(mesh.StatusPort)), err),
		},
			serviceEvidence(c, &services[0]), eventEvidence(c, services[0].Namespace, services[0].Name))
		return nil, nil
	}
	if g.cross {
		if err := m.opens(ctx, c, g.address); err != nil {
			out.add(Finding{
				Reason: ReasonCrossNetworkPortClosed, Cluster: c.Name, Object: g.name,
				Message: fmt.Sprintf("ready, but closed to other networks: %s: %v", net.JoinHostPort(g.address, strconv.Itoa(mesh.CrossNetworkPort)), err),
			},
				listenerEvidence(c, g.selector))
			return nil, nil
		}
	}
	return &GatewayData{Cluster: c.Name, Gateway: g.name, Address: g.address, From: from}, nil
}

// ownGateway leaves those out that carry the gateway's label and are other gateways:
// the mesh's own is where the planned address is, or else in Istio's namespace.
func ownGateway(deployments []appsv1.Deployment, services []corev1.Service, planned string) ([]appsv1.Deployment, []corev1.Service) {
	own := slices.DeleteFunc(slices.Clone(services), func(s corev1.Service) bool { return !slices.Contains(externalAddresses(&s), planned) })
	if len(own) == 0 {
		own = slices.DeleteFunc(slices.Clone(services), func(s corev1.Service) bool { return s.Namespace != mesh.SystemNamespace })
	}
	if len(own) == 0 {
		return deployments, services
	}
	namespace := own[0].Namespace
	return slices.DeleteFunc(deployments, func(d appsv1.Deployment) bool { return d.Namespace != namespace }), own
}

// externalAddresses are what the load balancer gave a Service, as IPs and names.
func externalAddresses(s *corev1.Service) []string {
	var out []string
	for _, i := range s.Status.LoadBalancer.Ingress {
		if i.IP != "" {
			out = append(out, i.IP)
		}
		if i.Hostname != "" {
			out = append(out, i.Hostname)
		}
	}
	return out
}

func objectOf(d *appsv1.Deployment) string { return "deployment " + d.Namespace + "/" + d.Name }

// unavailable says why a deployment does not serve as it should, or "". The condition
// Available alone is true for a deployment that was scaled to nothing, and for one whose
// old pods serve while the new ones never come.
func unavailable(ctx context.Context, c *mesh.Member, d *appsv1.Deployment) string {
	if mesh.Replicas(d) == 0 {
		return "scaled to 0 replicas"
	}
	return c.Rollout(ctx, d)
}

func checkAddress(c *mesh.Member, s *corev1.Service, planned string) (Finding, bool) {
	f := Finding{Cluster: c.Name, Object: "service " + s.Namespace + "/" + s.Name}
	switch got := externalAddresses(s); {
	case len(got) == 0:
		f.Reason, f.Message = ReasonAddressPending, "has no external address; planned is "+planned
	case !slices.Contains(got, planned):
		f.Reason, f.Message = ReasonAddressMismatch, fmt.Sprintf("external address is %s; planned is %s", strings.Join(got, ", "), planned)
	default:
		return f, true
	}
	return f, false
}

// answers asks a gateway's readiness through its load-balancer address: from
// this machine or, when nothing comes back, from inside the cluster. It
// returns where the answer came from.
func (m *session) answers(ctx context.Context, c *mesh.Member, address string) (from string, err error) {
	url := fmt.Sprintf("http://%s/healthz/ready", net.JoinHostPort(address, strconv.Itoa(mesh.StatusPort)))
	status, _, err := m.host.Get(ctx, url, m.timeouts.Request)
	switch {
	case err == nil && status == 200:
		return "host", nil
	case err == nil:
		return "", fmt.Errorf("status %d from /healthz/ready", status)
	case !errors.Is(err, mesh.ErrUnroutable):
		return "", err
	}
	pod, out, inner := m.curl(ctx, c, "-o", "/dev/null", "-w", "%{http_code}", url)
	switch {
	case inner != nil:
		return "", fmt.Errorf("%w; and not from the cluster: %w", err, inner)
	case strings.TrimSpace(string(out.Stdout)) != "200":
		return "", fmt.Errorf("%w; and from %s: status %s %s", err, pod, out.Stdout, strings.TrimSpace(string(out.Stderr)))
	}
	return "pod " + pod, nil
}

// opens checks that the cross-network port accepts connections.
func (m *session) opens(ctx context.Context, c *mesh.Member, address string) error {
	addr := net.JoinHostPort(address, strconv.Itoa(mesh.CrossNetworkPort))
	err := m.host.Dial(ctx, addr, m.timeouts.Dial)
	if err == nil || !errors.Is(err, mesh.ErrUnroutable) {
		return err
	}
	// A sidecar accepts every outgoing connection itself, so a connection from
	// a pod proves nothing. A certificate does: an open port passes the TLS
	// greeting through to the server that the name asks for.
	pod, out, inner := m.curl(ctx, c, "-kv", "--connect-to", "::"+addr, "https://"+m.workload.Passthrough()+":15443/")
	switch {
	case inner != nil:
		return fmt.Errorf("%w; and not from the cluster: %w", err, inner)
	case !strings.Contains(string(out.Stderr), "TLS handshake, Certificate"):
		return fmt.Errorf("no certificate came back to %s", pod)
	}
	return nil
}

// curl runs curl in a client pod of c.
func (m *session) curl(ctx context.Context, c *mesh.Member, args ...string) (pod string, out mesh.Output, err error) {
	if m.workload.Empty() {
		return "", out, errors.New("no client pod is known")
	}
	pods, err := c.Pods(ctx, m.workload.Namespace, m.workload.Clients())
	if err != nil {
		return "", out, err
	}
	pods = mesh.Running(pods)
	if len(pods) == 0 {
		return "", out, fmt.Errorf("no running pod %s in namespace %s", m.workload.Clients(), m.workload.Namespace)
	}
	argv := append([]string{"curl", "-sS", "--max-time", call.Seconds(m.timeouts.Request)}, args...)
	out, err = c.Exec(ctx, mesh.Ref(&pods[0]), mesh.AppContainer(&pods[0]), argv)
	return pods[0].Name, out, err
}
