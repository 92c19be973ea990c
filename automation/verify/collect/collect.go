package collect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/automation/verify"
	"github.com/meshwright/meshwright/automation/verify/probe"
)

// Options say where the archive goes and what besides the clusters goes in.
type Options struct {
	Path     string            // of the archive, a .tar.gz; its directory must exist
	Lines    int64             // of each log; default 2000
	Versions map[string]string // of the tools at work, for the index
	// Files come from the caller: the stack's state, the node's logs. They are
	// read at the same time as the clusters, and redacted like everything else.
	Files []File
	// Secrets are known by value: wherever they turn up, they are taken out.
	Secrets []string
	// Timeout bounds the work on one cluster; default 45s.
	Timeout time.Duration
	// Progress hears what is being gathered; may be nil.
	Progress func(what string)
}

// File is a file of the caller's.
type File struct {
	Name string // inside the archive, with slashes
	Read func(context.Context) ([]byte, error)
}

// Run writes the archive (mode 0600) and returns its index. What cannot be had
// is listed there and is no error: an archive of a broken mesh is what the
// function is for. An error means that there is no archive.
func Run(ctx context.Context, targets []verify.Target, w verify.Workload, o Options) (*Index, error) {
	if o.Lines == 0 {
		o.Lines = 2000
	}
	if o.Timeout == 0 {
		o.Timeout = 45 * time.Second
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	secrets := o.Secrets
	for _, t := range targets {
		secrets = append(secrets, credentials(t)...)
	}
	a, err := create(o.Path, NewRedactor(secrets...))
	if err != nil {
		return nil, err
	}
	a.index.Versions = o.Versions
	var wg sync.WaitGroup
	for _, t := range targets {
		a.index.Clusters = append(a.index.Clusters, t.Name)
		wg.Go(func() {
			o.Progress("cluster " + t.Name)
			ctx, cancel := context.WithTimeout(ctx, o.Timeout)
			defer cancel()
			if err := collectCluster(ctx, a, t, o); err != nil {
				a.missing(t.Name, err)
			}
		})
	}
	for _, f := range o.Files {
		wg.Go(func() {
			text, err := f.Read(ctx)
			if err != nil {
				a.missing(f.Name, err)
				return
			}
			a.add(f.Name, text)
		})
	}
	wg.Go(func() { report(ctx, a, targets, w) })
	wg.Wait()
	if err := ctx.Err(); err != nil {
		a.abandon()
		return nil, fmt.Errorf("collecting was stopped: %w", context.Cause(ctx))
	}
	if err := a.close(o.Path); err != nil {
		return nil, err
	}
	return &a.index, nil
}

// credentials are what a target's kubeconfig holds.
func credentials(t verify.Target) []string {
	if t.Config == nil {
		return nil
	}
	return []string{t.Config.BearerToken, t.Config.Password, string(t.Config.KeyData)}
}

// report adds what the checks say, from one attempt at each.
func report(ctx context.Context, a *archive, targets []verify.Target, w verify.Workload) {
	r, err := verify.Run(ctx, verify.Options{Targets: targets, Workload: w, Once: true})
	if err != nil {
		a.missing("verify.json", err)
		return
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		a.missing("verify.json", err)
		return
	}
	a.add("verify.json", text)
}

// cluster is the work on one cluster.
type cluster struct {
	*archive
	probe   *probe.Cluster
	dynamic dynamic.Interface
	dir     string
	lines   int64
	limit   chan struct{} // bounds the requests in flight
	wg      sync.WaitGroup
}

// inFlight bounds requests to one API server: a lab's is small.
const inFlight = 6

func collectCluster(ctx context.Context, a *archive, t verify.Target, o Options) error {
	if t.Config == nil {
		return errors.New("no kubeconfig")
	}
	p, err := probe.New(t.Config)
	if err != nil {
		return err
	}
	defer p.Close()
	dyn, err := dynamic.NewForConfig(p.Config())
	if err != nil {
		return err
	}
	c := &cluster{archive: a, probe: p, dynamic: dyn, dir: t.Name, lines: o.Lines, limit: make(chan struct{}, inFlight)}
	version, err := p.Client.Discovery().ServerVersion()
	if err != nil {
		return fmt.Errorf("its API server does not answer: %w", err) // nothing else will
	}
	c.addYAML("version.yaml", version)
	c.objects(ctx)
	c.pods(ctx)
	c.wg.Wait()
	return nil
}

// do runs f among the others.
func (c *cluster) do(f func()) {
	c.wg.Go(func() {
		c.limit <- struct{}{}
		defer func() { <-c.limit }()
		f()
	})
}

func (c *cluster) addYAML(name string, v any) {
	text, err := yaml.Marshal(v)
	if err != nil {
		c.missing(c.dir+"/"+name, err)
		return
	}
	c.add(c.dir+"/"+name, text)
}

// kinds of Kubernetes' own that tell about a mesh. Secrets are not among them;
// see secretNames.
var kinds = []schema.GroupVersionResource{
	{Version: "v1", Resource: "nodes"}, {Version: "v1", Resource: "namespaces"},
	{Version: "v1", Resource: "pods"}, {Version: "v1", Resource: "services"},
	{Version: "v1", Resource: "serviceaccounts"}, {Version: "v1", Resource: "configmaps"},
	{Version: "v1", Resource: "events"},
	{Group: "apps", Version: "v1", Resource: "deployments"}, {Group: "apps", Version: "v1", Resource: "daemonsets"},
	{Group: "apps", Version: "v1", Resource: "replicasets"},
	{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingwebhookconfigurations"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingwebhookconfigurations"},
}

// custom tells which API groups are collected whole.
func custom(group string) bool {
	return strings.HasSuffix(group, ".istio.io") || group == "metallb.io" || group == "gateway.networking.k8s.io"
}

// objects collects the objects of every kind, one file per kind.
func (c *cluster) objects(ctx context.Context) {
	list := kinds
	resources, err := c.probe.Client.Discovery().ServerPreferredResources()
	if err != nil {
		c.missing(c.dir+"/objects", fmt.Errorf("not all API groups answer: %w", err))
	}
	for _, group := range resources {
		gv, err := schema.ParseGroupVersion(group.GroupVersion)
		if err != nil || !custom(gv.Group) {
			continue
		}
		for _, r := range group.APIResources {
			if !strings.Contains(r.Name, "/") {
				list = append(list, gv.WithResource(r.Name))
			}
		}
	}
	for _, kind := range list {
		c.do(func() { c.kind(ctx, kind) })
	}
	c.do(func() { c.secretNames(ctx) })
}

func (c *cluster) kind(ctx context.Context, kind schema.GroupVersionResource) {
	name := "objects/" + kind.Resource
	if kind.Group != "" {
		name += "." + kind.Group
		if custom(kind.Group) {
			name += "." + kind.Version
		}
	}
	list, err := c.dynamic.Resource(kind).List(ctx, metav1.ListOptions{})
	if err != nil {
		c.missing(c.dir+"/"+name, err)
		return
	}
	if len(list.Items) == 0 {
		return
	}
	items := make([]any, len(list.Items))
	for i := range list.Items {
		items[i] = tidy(list.Items[i].Object)
	}
	c.addYAML(name+".yaml", map[string]any{"kind": list.GetKind(), "items": items})
}

// tidy drops what nobody reads, and the values of environment variables whose
// names promise a secret.
func tidy(object map[string]any) map[string]any {
	if meta, ok := object["metadata"].(map[string]any); ok {
		delete(meta, "managedFields")
		if notes, ok := meta["annotations"].(map[string]any); ok {
			delete(notes, "kubectl.kubernetes.io/last-applied-configuration")
		}
	}
	hideEnv(object)
	return object
}

func hideEnv(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			hideEnv(e)
		}
	case map[string]any:
		name, isName := v["name"].(string)
		if _, hasValue := v["value"].(string); isName && hasValue && promisesSecret(name) {
			v["value"] = mask("value")
		}
		for _, e := range v {
			hideEnv(e)
		}
	}
}

func promisesSecret(name string) bool {
	name = strings.ToUpper(name)
	for _, word := range []string{"PASSWORD", "PASSPHRASE", "SECRET", "TOKEN", "PRIVATE_KEY", "API_KEY", "CREDENTIAL"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// secretNames lists secrets by their metadata alone; the API server does not
// even send the data.
func (c *cluster) secretNames(ctx context.Context) {
	var list metav1.PartialObjectMetadataList
	err := c.probe.Client.CoreV1().RESTClient().Get().Resource("secrets").
		SetHeader("Accept", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io").
		Do(ctx).Into(&list)
	if err != nil {
		c.missing(c.dir+"/objects/secrets", err)
		return
	}
	type entry struct {
		Namespace string            `json:"namespace"`
		Name      string            `json:"name"`
		Created   metav1.Time       `json:"created"`
		Labels    map[string]string `json:"labels,omitempty"`
	}
	entries := []entry{}
	for _, s := range list.Items {
		entries = append(entries, entry{s.Namespace, s.Name, s.CreationTimestamp, s.Labels})
	}
	c.addYAML("objects/secrets-names-only.yaml", entries)
}

// pods collects logs and proxy state of every pod.
func (c *cluster) pods(ctx context.Context) {
	pods, err := c.probe.Pods(ctx, "", "")
	if err != nil {
		c.missing(c.dir+"/logs", err)
		return
	}
	for _, p := range pods {
		c.logs(ctx, p)
		if p.Status.Phase != corev1.PodRunning {
			continue
		}
		switch {
		case p.Labels["app"] == "istiod":
			c.ask(ctx, p, "istiod", 8080, map[string]string{
				"clusterz.json": "/debug/clusterz", "syncz.json": "/debug/syncz", "networkz.json": "/debug/networkz",
				"endpointShardz.json": "/debug/endpointShardz", "mesh.json": "/debug/mesh", "push_status.json": "/debug/push_status",
			})
			c.ask(ctx, p, "istiod", 15014, map[string]string{"metrics.txt": "/metrics"})
		case hasSidecar(p):
			c.ask(ctx, p, "envoy", 15000, map[string]string{
				"config_dump.json": "/config_dump?include_eds", "clusters.txt": "/clusters", "listeners.txt": "/listeners",
				"certs.json": "/certs", "server_info.json": "/server_info", "stats.txt": "/stats?usedonly",
			})
		}
	}
}

func hasSidecar(p corev1.Pod) bool {
	for _, list := range [][]corev1.Container{p.Spec.Containers, p.Spec.InitContainers} {
		for _, c := range list {
			if c.Name == "istio-proxy" {
				return true
			}
		}
	}
	return false
}

// logs collects the end of every container's log, and of its predecessor's
// where it has restarted.
func (c *cluster) logs(ctx context.Context, p corev1.Pod) {
	restarts := map[string]bool{}
	for _, s := range append(p.Status.ContainerStatuses, p.Status.InitContainerStatuses...) {
		restarts[s.Name] = s.RestartCount > 0
	}
	for _, container := range append(p.Spec.InitContainers, p.Spec.Containers...) {
		for _, previous := range []bool{false, true} {
			if previous && !restarts[container.Name] {
				continue
			}
			c.do(func() { c.log(ctx, p, container.Name, previous) })
		}
	}
}

func (c *cluster) log(ctx context.Context, p corev1.Pod, container string, previous bool) {
	name := fmt.Sprintf("%s/logs/%s/%s/%s.log", c.dir, p.Namespace, p.Name, container)
	if previous {
		name = strings.TrimSuffix(name, ".log") + ".previous.log"
	}
	text, err := c.probe.Client.CoreV1().Pods(p.Namespace).GetLogs(p.Name, &corev1.PodLogOptions{
		Container: container, TailLines: &c.lines, Previous: previous,
	}).DoRaw(ctx)
	if err != nil {
		c.missing(name, err)
		return
	}
	if len(text) > 0 {
		c.add(name, text)
	}
}

// ask collects answers of a pod's port on its loopback.
func (c *cluster) ask(ctx context.Context, p corev1.Pod, kind string, port int, files map[string]string) {
	c.do(func() {
		for file, path := range files {
			name := fmt.Sprintf("%s/%s/%s/%s/%s", c.dir, kind, p.Namespace, p.Name, file)
			text, err := c.probe.HTTP(ctx, probe.Ref(&p), port, path)
			if err != nil {
				c.missing(name, err)
				continue
			}
			c.add(name, text)
		}
	})
}
