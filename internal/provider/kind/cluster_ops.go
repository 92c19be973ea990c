package kind

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/docker/mark"
	"github.com/meshwright/meshwright/internal/provider"
)

// clusterLabel is kind's label on node containers: the cluster's name.
const clusterLabel = "io.x-k8s.kind.cluster"

const (
	createTimeout = 10 * time.Minute // unless the resource sets one
	// cleanupTimeout bounds the removal of a half-made cluster, which does not
	// end with the operation's context.
	cleanupTimeout  = 30 * time.Second
	labelTimeout    = 30 * time.Second // reading labels of a cluster that may be down
	retryPause      = time.Second
	evidenceTimeout = 5 * time.Second
	// lateNodes is how long the daemon may take to look at a request whose command
	// was killed. What comes later still is removed by the next create, or with the
	// network.
	lateNodes   = time.Second
	createTries = 3
	removeTries = 4
)

func (t *twin) createCluster(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	var in cluster
	unknown, err := provider.Decode(req.Properties, &in)
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	outputs := planned(req.Properties, in, unknown)
	if req.Preview {
		return plugin.CreateResponse{Properties: outputs}, nil
	}
	in = in.withDefaults()
	ctx, cancel := context.WithTimeoutCause(ctx, timeout(req.Timeout, createTimeout),
		fmt.Errorf("kind cluster %s was not up after %s", in.Name, timeout(req.Timeout, createTimeout)))
	defer cancel()
	d, o, err := t.owner(ctx, in.Lab)
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	if err := t.prepare(ctx, d, o, t.state(req.URN), in); err != nil {
		return plugin.CreateResponse{}, err
	}
	if err := t.runKind(ctx, d, o, in, req.URN); err != nil {
		return plugin.CreateResponse{}, err
	}
	nodes, err := ownNodes(ctx, d, o, in)
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	if err := errors.Join(easeRestarts(ctx, d, nodes), t.describe(ctx, d, nodes, in, outputs)); err != nil {
		return plugin.CreateResponse{}, errors.Join(err, t.cleanUp(ctx, d, o, in, false))
	}
	id := resource.ID(in.Name)
	if err := t.awaitReady(ctx, d, in, req.URN); err != nil {
		return plugin.CreateResponse{}, provider.PartialFailure(id, outputs, req.Properties, err.Error())
	}
	return plugin.CreateResponse{ID: id, Properties: outputs}, nil
}

// ownNodes returns the containers of the cluster. It fails when there is one of
// the cluster's name, or of one of its nodes' names, that is not this lab's.
func ownNodes(ctx context.Context, d daemon, o *mark.Owner, in cluster) ([]docker.Container, error) {
	found, err := clusterContainers(ctx, d, in)
	if err != nil {
		return nil, err
	}
	own, others, err := o.Divide(ctx, d, found, in.Network)
	if err == nil && len(others) > 0 {
		return nil, fmt.Errorf("there is a container %q, and it is not a node of the lab %q: %w; it was left as it is: "+
			"choose another name for the lab or the cluster, or remove it yourself: kind delete cluster --name %s", others[0].Name, in.Lab, others[0].Reason, in.Name)
	}
	return own, err
}

// clusterContainers returns every container with the cluster's label or with
// the name of one of its nodes, this lab's or not.
func clusterContainers(ctx context.Context, d daemon, in cluster) ([]docker.Container, error) {
	nodes, err := d.Containers(ctx, docker.Filter{Labels: map[string]string{clusterLabel: in.Name}})
	if err != nil {
		return nil, err
	}
	all, err := d.Containers(ctx, docker.Filter{})
	if err != nil {
		return nil, err
	}
	names := in.nodeNames()
	return union(nodes, slices.DeleteFunc(all, func(c docker.Container) bool { return !slices.Contains(names, c.Name) })), nil
}

// union adds to containers the others that are not among them.
func union(containers, others []docker.Container) []docker.Container {
	for _, c := range others {
		if !slices.ContainsFunc(containers, func(o docker.Container) bool { return o.ID == c.ID }) {
			containers = append(containers, c)
		}
	}
	return containers
}

// describe fills in the outputs that the running cluster knows.
func (t *twin) describe(ctx context.Context, d daemon, nodes []docker.Container, in cluster, outputs resource.PropertyMap) error {
	control, ok := byName(nodes)[in.controlPlane()]
	if !ok {
		return fmt.Errorf("kind cluster %s has no node %s", in.Name, in.controlPlane())
	}
	config, err := kubeconfig(ctx, d, control, in.Context)
	if err != nil {
		return err
	}
	outputs["kubeconfig"] = resource.MakeSecret(resource.NewStringProperty(config))
	outputs["clusterID"] = resource.NewStringProperty(control.ID)
	outputs["context"] = resource.NewStringProperty(in.Context)
	outputs["server"] = resource.NewStringProperty(in.server())
	outputs["nodeNames"] = stringArray(in.nodeNames())
	return nil
}

// awaitReady waits in.Wait seconds for every node to be Ready. (kind's own wait
// reports success when the time is over.)
func (t *twin) awaitReady(ctx context.Context, d daemon, in cluster, urn resource.URN) error {
	if in.Wait <= 0 {
		return nil
	}
	t.Status(ctx, urn, "waiting for the nodes to be Ready")
	limit := time.Duration(in.Wait) * time.Second
	deadline := time.Now().Add(limit)
	// kubectl gives up at once when the API server does not answer, as after a restart
	// of the node.
	err := wait.PollUntilContextTimeout(ctx, retryPause, limit, true, func(context.Context) (bool, error) {
		left := max(1, int(time.Until(deadline)/time.Second))
		_, err := kubectl(ctx, d, in.controlPlane(), "wait", "--for=condition=Ready", "nodes", "--all", fmt.Sprintf("--timeout=%ds", left))
		return err == nil, nil
	})
	if err == nil || ctx.Err() != nil {
		return context.Cause(ctx)
	}
	const last = `jsonpath={range .items[*]}{.metadata.name}: {range .status.conditions[?(@.type=="Ready")]}{.status} {.message}{end}{"\n"}{end}`
	state, stateErr := kubectl(ctx, d, in.controlPlane(), "--request-timeout=10s", "get", "nodes", "-o", last)
	if stateErr != nil {
		state = []byte(stateErr.Error())
	}
	return fmt.Errorf("the nodes of kind cluster %s were not Ready after %d seconds: %s; see: kubectl describe nodes",
		in.Name, in.Wait, strings.Join(strings.FieldsFunc(string(state), func(r rune) bool { return r == '\n' }), "; "))
}

func (t *twin) updateCluster(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	var olds, news cluster
	if _, err := provider.Decode(req.OldInputs, &olds); err != nil {
		return plugin.UpdateResponse{}, err
	}
	unknown, err := provider.Decode(req.NewInputs, &news)
	if err != nil {
		return plugin.UpdateResponse{}, err
	}
	outputs := req.NewInputs.Copy()
	for k, v := range req.OldOutputs { // what is computed stays
		if _, isInput := req.OldInputs[k]; !isInput && outputs[k].IsNull() {
			outputs[k] = v
		}
	}
	news = news.withDefaults()
	olds = olds.withDefaults()
	if news.Context != olds.Context {
		outputs["context"] = resource.NewStringProperty(news.Context)
		outputs["kubeconfig"] = resource.MakeSecret(provider.Unknown())
	}
	if req.Preview {
		return plugin.UpdateResponse{Properties: outputs}, nil
	}
	if len(unknown) > 0 {
		return plugin.UpdateResponse{}, fmt.Errorf("kind cluster %s: unknown inputs: %s", news.Name, strings.Join(unknown, ", "))
	}
	d, o, err := t.bound(ctx, news.Lab)
	if err == nil && o == nil {
		err = mark.ErrNoOwner
	}
	if err != nil {
		return plugin.UpdateResponse{}, err
	}
	nodes, err := ownNodes(ctx, d, o, news)
	if err != nil {
		return plugin.UpdateResponse{}, err
	}
	if isAnother(req.OldOutputs, nodes, news) {
		return plugin.UpdateResponse{}, fmt.Errorf("kind cluster %s was recreated by another; run again with a refresh", news.Name)
	}
	found := byName(nodes)
	names := news.nodeNames()
	for i, n := range news.Nodes {
		container, ok := found[names[i]]
		if !ok {
			return plugin.UpdateResponse{}, fmt.Errorf("kind cluster %s has no node %s any more; run again with a refresh", news.Name, names[i])
		}
		if i < len(olds.Nodes) && maps.Equal(olds.Nodes[i].Labels, n.Labels) {
			continue
		}
		if err := setLabels(ctx, d, news.controlPlane(), names[i], container.ID, olds.Nodes[i].Labels, n.Labels); err != nil {
			return plugin.UpdateResponse{}, err
		}
	}
	if err := t.describe(ctx, d, nodes, news, outputs); err != nil {
		return plugin.UpdateResponse{}, err
	}
	if err := t.awaitReady(ctx, d, news, req.URN); err != nil {
		return plugin.UpdateResponse{}, provider.PartialFailure(req.ID, outputs, req.NewInputs, err.Error())
	}
	return plugin.UpdateResponse{Properties: outputs}, nil
}

func (t *twin) deleteCluster(ctx context.Context, req plugin.DeleteRequest) (res plugin.DeleteResponse, err error) {
	var in cluster
	if _, err := provider.Decode(req.Inputs, &in); err != nil {
		return res, err
	}
	d, o, err := t.bound(ctx, in.Lab)
	if err != nil {
		return res, err
	}
	nodes, err := clusterContainers(ctx, d, in)
	if err != nil || len(nodes) == 0 {
		return res, err
	}
	if o == nil {
		return res, fmt.Errorf("kind cluster %s is not deleted: %w; if it is of no use: kind delete cluster --name %s", in.Name, mark.ErrNoOwner, in.Name)
	}
	if nodes, err = ownNodes(ctx, d, o, in); err != nil || isAnother(req.Outputs, nodes, in) {
		return res, err
	}
	return res, removeNodes(ctx, d, nodes)
}

// isAnother says whether the cluster is not that of the outputs but one created later
// under the same name.
func isAnother(outputs resource.PropertyMap, nodes []docker.Container, in cluster) bool {
	id, control := outputs["clusterID"], byName(nodes)[in.controlPlane()]
	return id.IsString() && control.ID != "" && control.ID != id.StringValue()
}

func timeout(seconds float64, fallback time.Duration) time.Duration {
	if seconds <= 0 {
		return fallback
	}
	return time.Duration(seconds * float64(time.Second))
}

func ids(nodes []docker.Container) []string {
	out := make([]string, len(nodes))
	for i, c := range nodes {
		out[i] = c.ID
	}
	return out
}

func byName(nodes []docker.Container) map[string]docker.Container {
	out := map[string]docker.Container{}
	for _, c := range nodes {
		out[c.Name] = c
	}
	return out
}
