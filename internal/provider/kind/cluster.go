package kind

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/meshwright/meshwright/internal/provider"
)

// cluster holds the inputs of meshwright:kind:Cluster. Its resource ID is kind's
// name. Its outputs are the inputs and
//
//	kubeconfig  string, secret: server https://127.0.0.1:PORT, one context
//	server      string: the API server as seen from the lab's Docker network
//	nodeNames   [string]: of nodes and containers, in the order of nodes
//	clusterID   string: another one for every cluster that is made
type cluster struct {
	Name    string `json:"name"` // kind's
	Lab     string `json:"lab"`
	Network string `json:"network"` // the Docker network's name
	Image   string `json:"image"`
	// Context names cluster, user and context in the kubeconfig; empty: Name.
	Context              string   `json:"context,omitempty"`
	PodSubnet            string   `json:"podSubnet,omitempty"`     // CIDR; empty: kind's default
	ServiceSubnet        string   `json:"serviceSubnet,omitempty"` // CIDR; empty: kind's default
	Nodes                []node   `json:"nodes,omitempty"`         // empty: one control plane
	KubeadmConfigPatches []string `json:"kubeadmConfigPatches,omitempty"`
	// Wait is how many seconds to wait for every node to be Ready; 0: not at all.
	Wait int `json:"wait,omitempty"`
}

type node struct {
	Role   string            `json:"role,omitempty"` // control-plane (the default) or worker
	Labels map[string]string `json:"labels,omitempty"`
}

const (
	controlPlane = "control-plane"
	worker       = "worker"
)

// maxName is kind's limit: "-control-plane" behind it has to fit a host name.
const maxName = 50

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*$`)

func checkCluster(_ context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	var in cluster
	return provider.CheckInputs(req.News, &in, func(c *provider.Checker) {
		c.Need(validName.MatchString(in.Name) && len(in.Name) <= maxName, "name",
			"%q is no name for a cluster: up to %d lower-case letters, digits, dots and hyphens", in.Name, maxName)
		c.Need(in.Lab != "", "lab", "a cluster needs the name of the lab that it belongs to")
		c.Need(in.Network != "", "network", "a cluster needs a Docker network")
		c.Need(in.Image != "", "image", "a cluster needs a node image")
		c.Need(in.Wait >= 0, "wait", "%d is no number of seconds", in.Wait)
		for _, s := range []struct{ property, cidr string }{{"podSubnet", in.PodSubnet}, {"serviceSubnet", in.ServiceSubnet}} {
			prefix, err := netip.ParsePrefix(s.cidr)
			c.Need(s.cidr == "" || err == nil && prefix == prefix.Masked(), s.property, "%q is not a subnet such as 10.10.0.0/16", s.cidr)
		}
		checkNodes(c, in.Nodes)
	}), nil
}

func checkNodes(c *provider.Checker, nodes []node) {
	controlPlanes := 0
	for i, n := range nodes {
		at := fmt.Sprintf("nodes[%d]", i)
		c.Need(n.Role == "" || n.Role == controlPlane || n.Role == worker, at+".role", "%q is no role: use %s or %s", n.Role, controlPlane, worker)
		if n.Role != worker {
			controlPlanes++
		}
		for _, k := range slices.Sorted(maps.Keys(n.Labels)) {
			errs := append(validation.IsQualifiedName(k), validation.IsValidLabelValue(n.Labels[k])...)
			c.Need(len(errs) == 0, at+".labels", "%s=%s is no label: %v", k, n.Labels[k], errs)
		}
	}
	// More than one needs kind's load balancer, an image of its own.
	c.Need(len(nodes) == 0 || controlPlanes == 1, "nodes", "a cluster has one %s node, not %d", controlPlane, controlPlanes)
}

// diffCluster changes labels, the wait and the context's name in place.
func diffCluster(_ context.Context, req plugin.DiffRequest) (plugin.DiffResponse, error) {
	d := provider.Diff(req.OldInputs, req.NewInputs, func(k resource.PropertyKey) bool {
		switch k {
		case "wait", "context":
			return false
		case "nodes":
			return !sameShape(req.OldInputs, req.NewInputs)
		}
		return true
	})
	// Names and ports of the old cluster are the new one's too.
	d.DeleteBeforeReplace = true
	return d, nil
}

// sameShape says whether the nodes differ in their labels at most.
func sameShape(olds, news resource.PropertyMap) bool {
	var o, n cluster
	_, oldErr := provider.Decode(olds, &o)
	unknown, newErr := provider.Decode(news, &n)
	if oldErr != nil || newErr != nil || slices.Contains(unknown, "nodes") {
		return false
	}
	for i := range n.Nodes {
		if provider.IsUnknown(unknown, fmt.Sprintf("nodes[%d].role", i)) {
			return false
		}
	}
	return slices.EqualFunc(o.withDefaults().Nodes, n.withDefaults().Nodes, func(a, b node) bool { return a.Role == b.Role })
}

// withDefaults fills in what the inputs may leave out.
func (c cluster) withDefaults() cluster {
	c.Context = cmp.Or(c.Context, c.Name)
	if len(c.Nodes) == 0 {
		c.Nodes = []node{{}}
	}
	c.Nodes = slices.Clone(c.Nodes)
	for i := range c.Nodes {
		c.Nodes[i].Role = cmp.Or(c.Nodes[i].Role, controlPlane)
	}
	return c
}

// nodeNames are kind's: the first of a role without a number, then from 2.
func (c cluster) nodeNames() []string {
	count := map[string]int{}
	var names []string
	for _, n := range c.withDefaults().Nodes {
		count[n.Role]++
		name := c.Name + "-" + n.Role
		if i := count[n.Role]; i > 1 {
			name += fmt.Sprint(i)
		}
		names = append(names, name)
	}
	return names
}

// controlPlane is the name of the container that runs the API server.
func (c cluster) controlPlane() string { return c.Name + "-" + controlPlane }

// server is the API server as seen from the lab's Docker network.
func (c cluster) server() string { return "https://" + c.controlPlane() + ":6443" }

// planned returns the outputs that are known before the cluster exists, and
// marks the rest unknown.
func planned(inputs resource.PropertyMap, c cluster, unknown []string) resource.PropertyMap {
	out := inputs.Copy()
	out["kubeconfig"] = resource.MakeSecret(provider.Unknown())
	out["clusterID"], out["server"], out["nodeNames"] = provider.Unknown(), provider.Unknown(), provider.Unknown()
	named := !provider.IsUnknown(unknown, "name")
	if named {
		out["server"] = resource.NewStringProperty(c.server())
	}
	if named && !slices.Contains(unknown, "nodes") {
		out["nodeNames"] = stringArray(c.nodeNames())
	}
	if _, ok := inputs["context"]; !ok && named {
		out["context"] = resource.NewStringProperty(c.Name)
	} else if !ok {
		out["context"] = provider.Unknown()
	}
	return out
}

func stringArray(items []string) resource.PropertyValue {
	values := make([]resource.PropertyValue, len(items))
	for i, s := range items {
		values[i] = resource.NewStringProperty(s)
	}
	return resource.NewArrayProperty(values)
}
