package mesh

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/meshwright/meshwright/mesh/topology"
)

// Workload is what is called to prove that the mesh carries traffic.
type Workload struct {
	Namespace   string
	Service     string
	Port        int    // the service's port
	Path        string // "/hello"; the answer names the version as "version: v1"
	ClientLabel string // label of the client pods: a selector, or the value of "app"
	// Versions that each cluster serves, by cluster.
	Versions map[string][]string
	// Traffic is the rule that spreads requests over regions.
	Traffic topology.Rule
	// Host is the Host header to call the ingress with; "" for any.
	Host string
	// LoadLabel is the label of the load generator's pods, like ClientLabel; ""
	// where there are none.
	LoadLabel string
}

// Empty reports whether there is nothing to call.
func (w Workload) Empty() bool { return w.Service == "" }

// URL is the workload's address inside the mesh.
func (w Workload) URL() string {
	return fmt.Sprintf("http://%s.%s:%d%s", w.Service, w.Namespace, w.Port, w.Path)
}

// Clients returns the selector of the client pods.
func (w Workload) Clients() string {
	if strings.ContainsAny(w.ClientLabel, "=!,()") {
		return w.ClientLabel
	}
	if w.ClientLabel == "" {
		return "app=sleep"
	}
	return "app=" + w.ClientLabel
}

// AllVersions returns the versions served anywhere in the mesh, sorted.
func (w Workload) AllVersions() []string {
	seen := map[string]bool{}
	for _, versions := range w.Versions {
		for _, v := range versions {
			seen[v] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// AppContainer returns the pod's first container that is not the Sidecar.
func AppContainer(p *corev1.Pod) string {
	for _, c := range p.Spec.Containers {
		if c.Name != Sidecar {
			return c.Name
		}
	}
	return ""
}

// Sidecar is the name of a proxy's container.
const Sidecar = "istio-proxy"
