package mesh

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Where Istio is installed, and the ports on which its parts answer.
const (
	SystemNamespace  = "istio-system"
	IstiodSelector   = "app=istiod"
	IngressSelector  = "istio=ingressgateway"
	EastWestSelector = "istio=eastwestgateway"

	EnvoyAdminPort   = 15000
	EnvoyInboundPort = 15006 // where a sidecar receives what is sent to its pod
	IstiodDebugPort  = 8080
	IstiodXDSPort    = 15012
	IstiodStatsPort  = 15014
	StatusPort       = 15021 // readiness, in plaintext
	CrossNetworkPort = 15443
)

// NetworkLabel names the network of a pod; on a Service it makes istiod take the Service's
// addresses for gateways of that network (istio.io/api/label, TopologyNetwork).
const NetworkLabel = "topology.istio.io/network"

// Role is what a proxy does in a mesh.
type Role string

// The roles.
const (
	RoleClient   Role = "client"
	RoleServer   Role = "server"
	RoleIngress  Role = "ingress gateway"
	RoleEastWest Role = "east-west gateway"
)

// Proxy is the Envoy of a pod.
type Proxy struct {
	Member *Member
	Pod    corev1.Pod
	Role   Role
}

// Object names the pod, as "pod sample/sleep-0".
func (p Proxy) Object() string { return "pod " + Ref(&p.Pod).String() }

// Admin reads a path of Envoy's admin interface.
func (p Proxy) Admin(ctx context.Context, path string) ([]byte, error) {
	return p.Member.HTTP(ctx, Ref(&p.Pod), EnvoyAdminPort, path)
}

// Proxies lists the running Envoys: clients and servers of the workload, and
// gateways. Clients and servers are listed whether or not they have a sidecar: asking
// one without it fails.
func (m *Member) Proxies(ctx context.Context, w Workload) ([]Proxy, error) {
	var out []Proxy
	add := func(r Role, pods []corev1.Pod) {
		for _, p := range Running(pods) {
			out = append(out, Proxy{Member: m, Pod: p, Role: r})
		}
	}
	if !w.Empty() {
		pods, err := m.Pods(ctx, w.Namespace, w.Clients())
		if err != nil {
			return nil, err
		}
		add(RoleClient, pods)
		pods, err = m.Servers(ctx, w)
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, err
		}
		add(RoleServer, pods)
	}
	for r, selector := range map[Role]string{RoleIngress: IngressSelector, RoleEastWest: EastWestSelector} {
		pods, err := m.Pods(ctx, "", selector)
		if err != nil {
			return nil, err
		}
		add(r, pods)
	}
	return out, nil
}

// Istiods lists the running istiod pods, ready or not: one that is not ready still
// answers questions.
func (m *Member) Istiods(ctx context.Context) ([]corev1.Pod, error) {
	pods, err := m.Pods(ctx, SystemNamespace, IstiodSelector)
	return Running(pods), err
}
