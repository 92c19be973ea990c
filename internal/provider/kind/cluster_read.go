package kind

import (
	"context"
	"fmt"
	"maps"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/docker/mark"
	"github.com/meshwright/meshwright/internal/provider"
)

func (t *twin) readCluster(ctx context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	var in cluster
	if _, err := provider.Decode(req.Inputs, &in); err != nil {
		return plugin.ReadResponse{}, err
	}
	if in.Name == "" {
		return plugin.ReadResponse{}, fmt.Errorf("a kind cluster cannot be imported: %s was not made by a lab", req.ID)
	}
	d, o, err := t.bound(ctx, in.Lab)
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	nodes, err := clusterContainers(ctx, d, in)
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	var own []docker.Container
	if o != nil { // without an owner nothing is this lab's
		var others []mark.Stranger
		if own, others, err = o.Divide(ctx, d, nodes, in.Network); err != nil {
			return plugin.ReadResponse{}, err
		}
		for _, other := range others { // another took the name after ours was deleted
			t.Log(ctx, provider.Warning, req.URN, fmt.Sprintf("container %s is not this lab's: %v", other.Name, other.Reason))
		}
	}
	found := byName(own)
	control, ok := found[in.controlPlane()]
	if !ok || isAnother(req.State, own, in) {
		return plugin.ReadResponse{}, nil // gone
	}
	inputs, outputs := req.Inputs.Copy(), req.State.Copy()
	nodesNow := t.liveNodes(ctx, d, req.URN, in, control, found)
	encoded, err := provider.Encode(cluster{Nodes: nodesNow})
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	if provider.Diff(resource.PropertyMap{"nodes": req.Inputs["nodes"]}, resource.PropertyMap{"nodes": encoded["nodes"]},
		func(resource.PropertyKey) bool { return false }).Changes == plugin.DiffSome && len(in.Nodes) > 0 {
		inputs["nodes"], outputs["nodes"] = encoded["nodes"], encoded["nodes"]
	}
	if control.State.Running {
		if err := t.describe(ctx, d, own, in.withDefaults(), outputs); err != nil {
			return plugin.ReadResponse{}, err
		}
	} else {
		t.Log(ctx, provider.Warning, req.URN, fmt.Sprintf("node %s is %s; start it: docker start %s", control.Name, control.State.Status, control.Name))
	}
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: inputs, Outputs: outputs}}, nil
}

// liveNodes returns the nodes of the inputs as they are: without those whose
// container is gone, and with the labels that their node objects carry, as far
// as the inputs name them. Labels of a cluster that is down are taken as set.
func (t *twin) liveNodes(ctx context.Context, d daemon, urn resource.URN, in cluster, control docker.Container, found map[string]docker.Container) []node {
	var live map[string]map[string]string
	if control.State.Running {
		bounded, cancel := context.WithTimeout(ctx, labelTimeout)
		defer cancel()
		var err error
		if live, err = nodeLabels(bounded, d, control.ID); err != nil {
			t.Log(ctx, provider.Warning, urn, fmt.Sprintf("the labels of the nodes cannot be read: %v", err))
		}
	}
	var nodes []node
	for i, name := range in.nodeNames() {
		if _, ok := found[name]; !ok || i >= len(in.Nodes) {
			continue
		}
		n := in.Nodes[i]
		if labels, ok := live[name]; ok {
			n.Labels = maps.Clone(n.Labels)
			for k := range n.Labels {
				if v, ok := labels[k]; ok {
					n.Labels[k] = v
				} else {
					delete(n.Labels, k)
				}
			}
		}
		nodes = append(nodes, n)
	}
	return nodes
}
