package kind

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"github.com/meshwright/meshwright/internal/docker"
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
	// lateNodes is how long a node may take to appear after the command that asked
	// for it was killed. What comes later still is removed with the network.
	lateNodes = 3 * time.Second
	// createTries: kind chooses a free port and then asks Docker for it, and two
	// that do so at once may choose the same.
	createTries = 3
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
	d, err := t.docker(ctx)
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	o, err := ensureOwner(t.labDir(in.Lab), in.Lab)
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	if err := t.prepare(ctx, d, o, in); err != nil {
		return plugin.CreateResponse{}, err
	}
	if err := t.runKind(ctx, d, o, in, req.URN); err != nil {
		return plugin.CreateResponse{}, err
	}
	nodes, err := ownNodes(ctx, d, o, in)
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	if err := t.describe(ctx, d, nodes, in, outputs); err != nil {
		return plugin.CreateResponse{}, errors.Join(err, t.cleanUp(ctx, d, o, in, false))
	}
	id := resource.ID(in.Name)
	if err := t.awaitReady(ctx, d, in, req.URN); err != nil {
		return plugin.CreateResponse{}, provider.PartialFailure(id, outputs, req.Properties, err.Error())
	}
	return plugin.CreateResponse{ID: id, Properties: outputs}, nil
}

// prepare refuses what is not ours and removes what an earlier run left half-made.
func (t *twin) prepare(ctx context.Context, d daemon, o *owner, in cluster) error {
	n, err := findNetwork(ctx, d, in.Network)
	if err != nil {
		return err
	}
	if n == nil {
		return fmt.Errorf("kind cluster %s: there is no Docker network %s; run again with a refresh: the network was removed by hand", in.Name, in.Network)
	}
	if reason := o.ownsNetwork(n); reason != nil {
		return fmt.Errorf("kind cluster %s: the Docker network %s is not this lab's: %w", in.Name, in.Network, reason)
	}
	if _, err := d.Image(ctx, in.Image); errors.Is(err, docker.ErrNotFound) && builtHere(in.Image) {
		return fmt.Errorf("kind cluster %s: the node image %s is not in Docker; build it: meshwright airgap build", in.Name, in.Image)
	}
	left, err := ownNodes(ctx, d, o, in)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		t.log.Info("removing what an earlier run left of a cluster", "cluster", in.Name, "nodes", len(left))
	}
	return d.Remove(ctx, ids(left)...)
}

// builtHere says whether an image can come from the kit only.
func builtHere(image string) bool {
	return strings.HasPrefix(image, "meshwright/") || strings.HasPrefix(image, "meshwright.local/")
}

// ownNodes returns the containers of the cluster. It fails when there is one of
// the cluster's name, or of one of its nodes' names, that is not this lab's.
func ownNodes(ctx context.Context, d daemon, o *owner, in cluster) ([]docker.Container, error) {
	nodes, err := clusterContainers(ctx, d, in)
	if err != nil {
		return nil, err
	}
	for _, c := range nodes {
		reason, err := o.ownsNode(ctx, d, c, in.Network)
		if err != nil {
			return nil, err
		}
		if reason != nil {
			return nil, fmt.Errorf("there is a container %q, and it is not a node of the lab %q: %w; it was left as it is: "+
				"choose another name for the lab or the cluster, or remove it yourself: kind delete cluster --name %s", c.Name, in.Lab, reason, in.Name)
		}
	}
	return nodes, nil
}

// clusterContainers returns every container with the cluster's label or with
// the name of one of its nodes, whoever made it.
func clusterContainers(ctx context.Context, d daemon, in cluster) ([]docker.Container, error) {
	nodes, err := d.Containers(ctx, docker.Filter{Labels: map[string]string{clusterLabel: in.Name}})
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, c := range nodes {
		seen[c.ID] = true
	}
	all, err := d.Containers(ctx, docker.Filter{})
	if err != nil {
		return nil, err
	}
	names := in.nodeNames()
	for _, c := range all {
		if slices.Contains(names, c.Name) && !seen[c.ID] {
			nodes = append(nodes, c)
		}
	}
	return nodes, nil
}

// runKind makes the cluster. Whatever goes wrong, nothing of the cluster is left.
func (t *twin) runKind(ctx context.Context, d daemon, o *owner, in cluster, urn resource.URN) error {
	config, err := renderConfig(in, o.dir, cgroupV1(ctx, d))
	if err != nil {
		return err
	}
	// kind insists on writing a kubeconfig; it is read from the node instead.
	dir := filepath.Join(filepath.Dir(o.dir), "kind-"+in.Name)
	defer os.RemoveAll(dir)
	for try := 1; ; try++ {
		if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
			return err
		}
		tail := &tail{limit: 25}
		preparing := false // the time in which kind asks Docker for the nodes
		err := t.run(ctx, job{
			spec: spec{Format: specFormat, Name: in.Name, Config: string(config), Kubeconfig: filepath.Join(dir, "kubeconfig")},
			env:  append(slices.Clone(d.Env()), networkVariable+"="+in.Network),
			line: func(line string) {
				tail.add(line)
				t.log.Debug(line, "cluster", in.Name)
				if strings.Contains(line, "Preparing nodes") {
					preparing = strings.HasPrefix(line, "•")
				}
				if step, ok := strings.CutPrefix(line, "• "); ok {
					t.Status(ctx, urn, strings.TrimSpace(strings.TrimSuffix(step, "...")))
				} else {
					t.Log(ctx, provider.Debug, urn, line)
				}
			},
			abort: func() { _ = t.cleanUp(ctx, d, o, in, false) },
		})
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			t.evidence(ctx, d, in, urn)
		}
		cleaned := t.cleanUp(ctx, d, o, in, preparing && ctx.Err() != nil)
		if ctx.Err() != nil {
			err = context.Cause(ctx)
			return errors.Join(fmt.Errorf("create kind cluster %s: %w; what was made of it has been removed", in.Name, err), cleaned)
		}
		if cleaned == nil && try < createTries && tail.contains("port is already allocated") {
			continue
		}
		return errors.Join(fmt.Errorf("create kind cluster %s: %w\n%s", in.Name, err, tail), cleaned)
	}
}

// evidence puts the end of the kubelet's journal into the resource's log before
// the node that failed is removed.
func (t *twin) evidence(ctx context.Context, d daemon, in cluster, urn resource.URN) {
	bounded, cancel := context.WithTimeout(ctx, evidenceTimeout)
	defer cancel()
	journal, err := d.Output(bounded, in.controlPlane(), "journalctl", "--no-pager", "--output=cat", "--unit=kubelet", "--lines=30")
	if err == nil && len(journal) > 0 {
		t.Log(ctx, provider.Info, urn, fmt.Sprintf("the last lines of the kubelet of %s:\n%s", in.controlPlane(), journal))
		t.log.Warn("kubelet of a failed node", "node", in.controlPlane(), "journal", string(journal))
	}
}

// cleanUp removes what there is of the cluster, in a bounded time of its own. A
// docker command that was killed may have handed its request to the daemon, which
// then makes the container all the same: with await it waits for that.
func (t *twin) cleanUp(ctx context.Context, d daemon, o *owner, in cluster, await bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	late := time.Now().Add(lateNodes)
	for removed := 0; ; {
		nodes, err := ownNodes(ctx, d, o, in)
		if err == nil {
			err = d.Remove(ctx, ids(nodes)...)
		}
		if err != nil {
			return fmt.Errorf("remove what was made of kind cluster %s: %w; run: meshwright destroy", in.Name, err)
		}
		removed += len(nodes)
		if !await || removed >= len(in.withDefaults().Nodes) || time.Now().After(late) {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// describe fills in the outputs that the running cluster knows.
func (t *twin) describe(ctx context.Context, d daemon, nodes []docker.Container, in cluster, outputs resource.PropertyMap) error {
	plane, ok := byName(nodes)[in.controlPlane()]
	if !ok {
		return fmt.Errorf("kind cluster %s has no node %s", in.Name, in.controlPlane())
	}
	config, err := kubeconfig(ctx, d, plane, in.Context)
	if err != nil {
		return err
	}
	outputs["kubeconfig"] = resource.MakeSecret(resource.NewStringProperty(config))
	outputs["clusterID"] = resource.NewStringProperty(plane.ID)
	outputs["context"] = resource.NewStringProperty(in.Context)
	outputs["server"] = resource.NewStringProperty("https://" + in.controlPlane() + ":6443")
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
	deadline := time.Now().Add(time.Duration(in.Wait) * time.Second)
	for {
		// kubectl gives up at once when the API server does not answer, as after a
		// restart of the node.
		left := max(1, int(time.Until(deadline)/time.Second))
		_, err := kubectl(ctx, d, in.controlPlane(), "wait", "--for=condition=Ready", "nodes", "--all", fmt.Sprintf("--timeout=%ds", left))
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if time.Now().Add(retryPause).After(deadline) {
			break
		}
		time.Sleep(retryPause)
	}
	const last = `jsonpath={range .items[*]}{.metadata.name}: {range .status.conditions[?(@.type=="Ready")]}{.status} {.message}{end}{"\n"}{end}`
	state, stateErr := kubectl(ctx, d, in.controlPlane(), "--request-timeout=10s", "get", "nodes", "-o", last)
	if stateErr != nil {
		state = []byte(stateErr.Error())
	}
	return fmt.Errorf("the nodes of kind cluster %s were not Ready after %d seconds: %s; see: kubectl describe nodes",
		in.Name, in.Wait, strings.Join(strings.FieldsFunc(string(state), func(r rune) bool { return r == '\n' }), "; "))
}

func (t *twin) readCluster(ctx context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	var in cluster
	if _, err := provider.Decode(req.Inputs, &in); err != nil {
		return plugin.ReadResponse{}, err
	}
	if in.Name == "" {
		return plugin.ReadResponse{}, fmt.Errorf("a kind cluster cannot be imported: %s was not made by a lab", req.ID)
	}
	d, err := t.docker(ctx)
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	nodes, err := clusterContainers(ctx, d, in)
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	o, err := readOwner(t.labDir(in.Lab), in.Lab)
	if err != nil && !errors.Is(err, errNoOwner) {
		return plugin.ReadResponse{}, err
	}
	found := byName(nodes)
	for name, c := range found {
		if o == nil {
			delete(found, name)
			continue
		}
		reason, err := o.ownsNode(ctx, d, c, in.Network)
		if err != nil {
			return plugin.ReadResponse{}, err
		}
		if reason != nil { // another took the name after ours was deleted
			t.Log(ctx, provider.Warning, req.URN, fmt.Sprintf("container %s is not this lab's: %v", name, reason))
			delete(found, name)
		}
	}
	plane, ok := found[in.controlPlane()]
	if !ok {
		return plugin.ReadResponse{}, nil // gone
	}
	inputs, outputs := req.Inputs.Copy(), req.State.Copy()
	nodesNow := t.liveNodes(ctx, d, req.URN, in, plane, found)
	encoded, err := provider.Encode(cluster{Nodes: nodesNow})
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	if provider.Diff(resource.PropertyMap{"nodes": req.Inputs["nodes"]}, resource.PropertyMap{"nodes": encoded["nodes"]},
		func(resource.PropertyKey) bool { return false }).Changes == plugin.DiffSome && len(in.Nodes) > 0 {
		inputs["nodes"], outputs["nodes"] = encoded["nodes"], encoded["nodes"]
	}
	if plane.State.Running {
		if err := t.describe(ctx, d, nodes, in.withDefaults(), outputs); err != nil {
			return plugin.ReadResponse{}, err
		}
	} else {
		t.Log(ctx, provider.Warning, req.URN, fmt.Sprintf("node %s is %s; start it: docker start %s", plane.Name, plane.State.Status, plane.Name))
	}
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: inputs, Outputs: outputs}}, nil
}

// liveNodes returns the nodes of the inputs as they are: without those whose
// container is gone, and with the labels that their node objects carry, as far
// as the inputs name them. Labels of a cluster that is down are taken as set.
func (t *twin) liveNodes(ctx context.Context, d daemon, urn resource.URN, in cluster, plane docker.Container, found map[string]docker.Container) []node {
	var live map[string]map[string]string
	if plane.State.Running {
		bounded, cancel := context.WithTimeout(ctx, labelTimeout)
		defer cancel()
		var err error
		if live, err = nodeLabels(bounded, d, plane.ID); err != nil {
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
	d, err := t.docker(ctx)
	if err != nil {
		return plugin.UpdateResponse{}, err
	}
	o, err := readOwner(t.labDir(news.Lab), news.Lab)
	if err != nil {
		return plugin.UpdateResponse{}, err
	}
	nodes, err := ownNodes(ctx, d, o, news)
	if err != nil {
		return plugin.UpdateResponse{}, err
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

func (t *twin) deleteCluster(ctx context.Context, req plugin.DeleteRequest) error {
	var in cluster
	if _, err := provider.Decode(req.Inputs, &in); err != nil {
		return err
	}
	d, err := t.docker(ctx)
	if err != nil {
		return err
	}
	nodes, err := clusterContainers(ctx, d, in)
	if err != nil || len(nodes) == 0 {
		return err
	}
	o, err := readOwner(t.labDir(in.Lab), in.Lab)
	if err != nil {
		return fmt.Errorf("kind cluster %s is not deleted: %w; if it is of no use: kind delete cluster --name %s", in.Name, err, in.Name)
	}
	if nodes, err = ownNodes(ctx, d, o, in); err != nil {
		return err
	}
	return d.Remove(ctx, ids(nodes)...)
}

// cgroupV1 asks the daemon, on whose machine the nodes run. When it does not
// say, the patch is left out: kubelet then names the field itself.
func cgroupV1(ctx context.Context, d daemon) bool {
	version, err := d.Run(ctx, "info", "--format", "{{.CgroupVersion}}")
	return err == nil && strings.TrimSpace(string(version)) == "1"
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

// tail keeps the last lines of an output.
type tail struct {
	limit int
	lines []string
}

func (t *tail) add(line string) {
	if t.lines = append(t.lines, line); len(t.lines) > t.limit {
		t.lines = t.lines[1:]
	}
}

func (t *tail) contains(s string) bool {
	return slices.ContainsFunc(t.lines, func(line string) bool { return strings.Contains(line, s) })
}

func (t *tail) String() string { return "  " + strings.Join(t.lines, "\n  ") }
