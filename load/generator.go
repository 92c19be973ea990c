package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/meshwright/meshwright/mesh"
)

// The ways by which a Generator calls.
const (
	ViaMesh    = "mesh"    // a pod of the mesh calls the workload by its name
	ViaIngress = "ingress" // the cluster's ingress address is called
)

// Generator is one place from which a workload is called.
type Generator struct {
	From   mesh.Cluster
	Via    string // ViaMesh or ViaIngress
	URL    string
	Host   string // the Host header; "" for the URL's
	Source Source
	// Proxy is the Envoy that the requests go through first, in From; zero where it
	// is not known.
	Proxy mesh.Pod

	retries func(context.Context) (int, bool)
}

// String is the generator in its cluster, as "client pod" or "ingress 10.0.0.1".
func (g Generator) String() string {
	if g.Via == ViaIngress {
		return "ingress " + g.From.IngressAddress
	}
	return "client pod"
}

// Sources make the sources of generators. Vegeta is one; tests have fakes.
type Sources interface {
	FromPod(m *mesh.Member, pod mesh.Pod, container string) Source
	// FromHost sends from this machine; it is nil when there is no route to url.
	FromHost(ctx context.Context, url string, timeout time.Duration) Source
}

// Vegeta makes load with the program of that name in pods, and with its library on
// this machine.
type Vegeta struct{}

// FromPod is the function of that name.
func (Vegeta) FromPod(m *mesh.Member, pod mesh.Pod, container string) Source {
	return FromPod(m, pod, container)
}

// FromHost is the function of that name, where url is routable.
func (Vegeta) FromHost(ctx context.Context, url string, timeout time.Duration) Source {
	if _, _, err := (mesh.Host{}).Get(ctx, url, timeout); errors.Is(err, mesh.ErrUnroutable) {
		return nil
	}
	return FromHost()
}

// GeneratorError says why there is no load generator in a cluster.
type GeneratorError struct {
	Cluster string
	Missing bool // there is no ready pod; else the cluster cannot be asked
	Err     error
}

func (e *GeneratorError) Error() string { return e.Cluster + ": " + e.Err.Error() }
func (e *GeneratorError) Unwrap() error { return e.Err }

// Generators returns two generators for each member: the workload's load pod, and
// the ingress where there is one. The ingress is called from this machine, or from the
// pod where this machine has no route to it. An error is a *GeneratorError.
func Generators(ctx context.Context, s Sources, members []*mesh.Member, w mesh.Workload, timeout time.Duration) ([]Generator, error) {
	var out []Generator
	for _, m := range members {
		pods, err := m.Pods(ctx, w.Namespace, w.LoadLabel)
		if err != nil {
			return nil, &GeneratorError{Cluster: m.Name, Err: err}
		}
		client := mesh.FirstReady(pods)
		if client == nil {
			return nil, &GeneratorError{Cluster: m.Name, Missing: true, Err: fmt.Errorf("no ready pod %s in namespace %s", w.LoadLabel, w.Namespace)}
		}
		pod := mesh.Ref(client)
		inPod := s.FromPod(m, pod, mesh.AppContainer(client))
		out = append(out, generator(m, w, Generator{Via: ViaMesh, URL: w.URL(), Source: inPod, Proxy: pod}))
		if m.IngressAddress == "" {
			continue
		}
		ingress := Generator{Via: ViaIngress, URL: "http://" + m.IngressAddress + w.Path, Host: w.Host}
		gateways, err := m.Pods(ctx, mesh.SystemNamespace, mesh.IngressSelector)
		if err != nil {
			return nil, &GeneratorError{Cluster: m.Name, Err: err}
		}
		if gateways = mesh.Running(gateways); len(gateways) > 0 {
			ingress.Proxy = mesh.Ref(&gateways[0])
		}
		if ingress.Source = s.FromHost(ctx, ingress.URL, timeout); ingress.Source == nil {
			ingress.Source = inPod
		}
		out = append(out, generator(m, w, ingress))
	}
	return out, nil
}

func generator(m *mesh.Member, w mesh.Workload, g Generator) Generator {
	g.From = m.Cluster
	g.retries = func(ctx context.Context) (int, bool) { return retriesOf(ctx, m, g.Proxy, w) }
	return g
}
