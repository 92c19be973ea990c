package verify

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"

	"github.com/meshwright/meshwright/load"
	"github.com/meshwright/meshwright/load/call"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/mesh/topology"
)

// fakeMesh is two clusters on two networks in good health, each with istiod,
// both gateways, a client and one helloworld. Tests break it.
type fakeMesh struct {
	root     *authority
	clusters map[string]*fakeCluster
	host     *fakeHost
	load     func(c *mesh.Member, via string, p load.Plan, on func(load.Record)) error
}

// fakeCluster answers as a cluster would.
type fakeCluster struct {
	mesh.Streams // none: what is not overridden is never asked
	name         string
	ca           *authority
	deployments  []appsv1.Deployment
	services     []corev1.Service
	pods         []corev1.Pod

	down      error                          // every call fails
	http      map[string]string              // "pod:port/path" -> body
	httpError map[string]error               // "pod:port/path" -> error
	chains    map[string][]*x509.Certificate // istiod pod -> chain served
	exec      func(argv []string) (mesh.Output, error)
	panics    bool
	region    string     // of its node
	podsMu    sync.Mutex // of pods and http

	flat bool // one network with the other cluster
	// reach says which pod answers at an address past the proxies, and whether
	// one does; nil: as the plan has it.
	reach map[string]string
	peers string                                       // the servers' /proc/net/tcp
	proxy func(argv []string) (o mesh.Output, ok bool) // overrides commands in proxies
	app   func(argv []string) mesh.Output              // runs commands in servers; nil: none has a container to ask

	mu   sync.Mutex
	sent map[string]int // requests by address, as the client's Envoy counts them
}

type fakeHost struct {
	mu     sync.Mutex
	get    map[string]func() (int, string, error) // by host:port or host
	dial   map[string]error
	counts map[string]int
}

func (h *fakeHost) Dial(_ context.Context, addr string, _ time.Duration) error { return h.dial[addr] }

func (h *fakeHost) Get(_ context.Context, url string, _ time.Duration) (int, string, error) {
	key := strings.TrimPrefix(url, "http://")
	key = key[:strings.IndexByte(key, '/')]
	h.mu.Lock()
	defer h.mu.Unlock()
	f, ok := h.get[key]
	if !ok {
		return 0, "", errors.New("connection refused")
	}
	return f()
}

// kubernetes is the cluster's API server, which answers from the fake's own lists.
func (f *fakeCluster) kubernetes() kubernetes.Interface {
	c := &fake.Clientset{}
	c.AddReactor("*", "*", f.react)
	return c
}

func (f *fakeCluster) react(action clienttesting.Action) (bool, runtime.Object, error) {
	resource := action.GetResource().Resource
	if f.panics && resource == "deployments" {
		panic("boom")
	}
	if f.down != nil {
		return true, nil, f.down
	}
	switch a := action.(type) {
	case clienttesting.ListAction:
		return true, f.list(resource, a.GetNamespace(), a.GetListRestrictions().Labels.String()), nil
	case clienttesting.DeleteActionImpl:
		f.replace(mesh.Pod{Namespace: a.GetNamespace(), Name: a.GetName()})
		return true, nil, nil
	case clienttesting.GetAction:
		for i := range f.services {
			if s := &f.services[i]; resource == "services" && s.Namespace == a.GetNamespace() && s.Name == a.GetName() {
				return true, s, nil
			}
		}
		return true, nil, apierrors.NewNotFound(schema.GroupResource{Resource: resource}, a.GetName())
	}
	return false, nil, nil
}

func (f *fakeCluster) list(resource, ns, selector string) runtime.Object {
	f.podsMu.Lock()
	defer f.podsMu.Unlock()
	switch resource {
	case "deployments":
		return &appsv1.DeploymentList{Items: match(f.deployments, ns, selector)}
	case "services":
		return &corev1.ServiceList{Items: match(f.services, ns, selector)}
	case "pods":
		return &corev1.PodList{Items: match(f.pods, ns, selector)}
	case "nodes":
		return &corev1.NodeList{Items: []corev1.Node{{ObjectMeta: metav1.ObjectMeta{
			Name: f.name + "-control-plane", Labels: map[string]string{corev1.LabelTopologyRegion: f.region},
		}}}}
	case "events":
		return &corev1.EventList{Items: []corev1.Event{{Type: "Warning", Reason: "Unhealthy", Message: "probe failed"}}}
	}
	panic("no list of " + resource)
}

func (f *fakeCluster) Logs(_ context.Context, pod mesh.Pod, container string, _ int64) ([]byte, error) {
	return []byte("last words of " + pod.Name + "/" + container + "\n"), f.down
}

func (f *fakeCluster) HTTP(_ context.Context, pod mesh.Pod, port int, path string) ([]byte, error) {
	f.podsMu.Lock()
	defer f.podsMu.Unlock()
	key := pod.Name + ":" + strconv.Itoa(port) + path
	if err := f.httpError[key]; err != nil {
		return nil, err
	}
	body, ok := f.http[key]
	if !ok {
		return nil, fmt.Errorf("pod %s port %d: connection refused", pod, port)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return []byte(sentMark.ReplaceAllStringFunc(body, func(mark string) string {
		return strconv.Itoa(f.sent[strings.Trim(mark, "{}")])
	})), f.down
}

// sentMark stands in an Envoy's answer for the requests sent to an address.
var sentMark = regexp.MustCompile(`\{\{[^{}]*\}\}`)

func (f *fakeCluster) Certificates(_ context.Context, pod mesh.Pod, _ int) ([]*x509.Certificate, error) {
	if f.down != nil {
		return nil, f.down
	}
	return f.chains[pod.Name], nil
}

func (f *fakeCluster) Exec(_ context.Context, _ mesh.Pod, container string, argv []string) (mesh.Output, error) {
	if f.down != nil {
		return mesh.Output{}, f.down
	}
	if container == mesh.Sidecar && argv[0] == "pilot-agent" {
		return f.exec(argv)
	}
	if container == mesh.Sidecar {
		return f.inProxy(argv), nil
	}
	if container == "helloworld" && f.app != nil {
		return f.app(argv), nil
	}
	if !slices.Contains([]string{"sleep", "load", "outsider", "outsider-node"}, container) {
		return mesh.Output{}, fmt.Errorf("no container %q", container)
	}
	out, err := f.exec(argv)
	f.mu.Lock()
	defer f.mu.Unlock()
	for line := range strings.Lines(string(out.Stdout)) {
		version, _ := call.ParseAnswer(line)
		switch {
		case version == "":
		case version == plan[f.name].version:
			f.sent[plan[f.name].podIP+":5000"]++
		case f.flat:
			f.sent[plan[other(f.name)].podIP+":5000"]++
		default:
			f.sent[plan[other(f.name)].eastWest+":15443"]++
		}
	}
	return out, err
}

// inProxy runs the two commands that the checks run there.
func (f *fakeCluster) inProxy(argv []string) mesh.Output {
	if f.proxy != nil {
		if o, ok := f.proxy(argv); ok {
			return o
		}
	}
	if argv[0] == "cat" {
		return mesh.Output{Stdout: []byte(f.peers)}
	}
	address := strings.TrimPrefix(argv[len(argv)-1], "http://")
	address = address[:strings.IndexByte(address, '/')]
	pod, ok := f.reach[address]
	if !ok {
		return noConnection
	}
	return mesh.Output{Stdout: []byte("Hello version: v0, instance: " + pod + "\n\n#connect 0.000312 200\n")}
}

var noConnection = mesh.Output{
	Code:   28,
	Stdout: []byte("\n#connect 0.000000 000\n"),
	Stderr: []byte("curl: (28) Failed to connect to 10.11.0.7 port 5000: Timeout was reached\n"),
}

// join puts both clusters on one network, with routes between their pods.
func (f *fakeMesh) join(o *Options) {
	for i := range o.Targets {
		o.Targets[i].Network, o.Targets[i].EastWestAddress = "network1", ""
	}
	for name, c := range f.clusters {
		c.flat = true
		c.service("istio-eastwestgateway").Labels["topology.istio.io/network"] = "network1"
		for _, p := range plan {
			c.reach[p.podIP+":5000"] = "helloworld-" + p.version + "-0"
		}
		c.peers = procTable(plan[other(name)].clientIP)
		for _, p := range c.pods {
			c.http[p.Name+":15000/clusters?format=json"] = clustersJSON(plan["cluster1"].podIP+":5000", plan["cluster2"].podIP+":5000")
		}
	}
}

// procTable is /proc/net/tcp of a pod with connections of these addresses to its sidecar.
func procTable(peers ...string) string {
	var b strings.Builder
	b.WriteString("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n")
	for i, p := range peers {
		a := netip.MustParseAddr(p).As4()
		fmt.Fprintf(&b, "  %2d: 07000A0A:3A9E %02X%02X%02X%02X:D431 01 00000000:00000000 00:00000000 00000000  1337        0 12345 1\n", i, a[3], a[2], a[1], a[0])
	}
	return b.String()
}

func match[T any](list []T, ns, selector string) []T {
	s, err := labels.Parse(selector)
	if err != nil {
		panic(err)
	}
	var out []T
	for i := range list {
		o, ok := any(&list[i]).(metav1.Object)
		if ok && (ns == "" || o.GetNamespace() == ns) && s.Matches(labels.Set(o.GetLabels())) {
			out = append(out, list[i])
		}
	}
	return out
}

// The fake lab's plan.
var plan = map[string]struct {
	ingress, eastWest, podIP, clientIP, hostIP, version, network string
}{
	"cluster1": {"10.192.8.0", "10.192.8.1", "10.10.0.7", "10.10.0.5", "10.192.0.2", "v2", "network1"},
	"cluster2": {"10.192.8.32", "10.192.8.33", "10.11.0.7", "10.11.0.5", "10.192.0.3", "v1", "network2"},
}

func other(cluster string) string {
	if cluster == "cluster1" {
		return "cluster2"
	}
	return "cluster1"
}

func newFakeMesh(t *testing.T) *fakeMesh {
	t.Helper()
	root := newAuthority(t, "root", nil)
	f := &fakeMesh{root: root, clusters: map[string]*fakeCluster{}, host: &fakeHost{
		get: map[string]func() (int, string, error){}, dial: map[string]error{}, counts: map[string]int{},
	}}
	for _, name := range []string{"cluster1", "cluster2"} {
		f.clusters[name] = newFakeCluster(t, name, newAuthority(t, "intermediate of "+name, root), root)
		turn := 0
		f.host.get[plan[name].ingress] = func() (int, string, error) {
			turn++
			return 200, hello([]string{"v1", "v2"}[turn%2]), nil
		}
		for _, address := range []string{plan[name].ingress, plan[name].eastWest} {
			f.host.get[address+":15021"] = func() (int, string, error) { return 200, "", nil }
		}
	}
	return f
}

func hello(version string) string {
	return fmt.Sprintf("Hello version: %s, instance: helloworld-%s-0\n", version, version)
}

// answering is a client that sees the versions in turn.
func answering(versions ...string) func([]string) (mesh.Output, error) {
	return func(argv []string) (mesh.Output, error) {
		var b strings.Builder
		for i := range requestsOf(argv) {
			if v := versions[i%len(versions)]; v == "" {
				b.WriteString("upstream connect error or disconnect/reset before headers. reset reason: connection timeout\n#request 503 1.9 0 \n")
			} else {
				b.WriteString(hello(v) + "\n#request 200 0.004 0 \n")
			}
		}
		return mesh.Output{Stdout: []byte(b.String())}, nil
	}
}

func requestsOf(argv []string) int {
	url := argv[len(argv)-1]
	n, err := strconv.Atoi(strings.TrimSuffix(url[strings.LastIndexByte(url, '-')+1:], "]"))
	if err != nil {
		panic(err)
	}
	return n
}

func newFakeCluster(t *testing.T, name string, ca, root *authority) *fakeCluster {
	p := plan[name]
	f := &fakeCluster{
		name: name, region: "region" + name[len(name)-1:], ca: ca, http: map[string]string{}, httpError: map[string]error{},
		chains: map[string][]*x509.Certificate{}, exec: answering("v1", "v2"), sent: map[string]int{},
		reach: map[string]string{p.podIP + ":5000": "helloworld-" + p.version + "-0", "10.10.0.3:15021": ""},
		peers: procTable("10.10.0.3"), // of the gateway
	}
	one := int32(1)
	deploy := func(ns, name string, l map[string]string) {
		f.deployments = append(f.deployments, appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Labels: l, Generation: 2},
			Spec:       appsv1.DeploymentSpec{Replicas: &one},
			Status: appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 1, UpdatedReplicas: 1, AvailableReplicas: 1, Conditions: []appsv1.DeploymentCondition{
				{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue},
			}},
		})
	}
	pod := func(ns, name, account, container, ip string, l map[string]string) {
		f.pods = append(f.pods, corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Labels: l},
			Spec:       corev1.PodSpec{ServiceAccountName: account, Containers: []corev1.Container{{Name: container}}},
			Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: ip, HostIP: p.hostIP, Conditions: []corev1.PodCondition{
				{Type: corev1.PodReady, Status: corev1.ConditionTrue},
			}},
		})
	}
	service := func(ns, name, address string, l, selector map[string]string) {
		s := corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Labels: l}, Spec: corev1.ServiceSpec{Selector: selector}}
		if address != "" {
			s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: address}}
		}
		f.services = append(f.services, s)
	}
	system := "istio-system"
	deploy(system, "istiod", map[string]string{"app": "istiod"})
	pod(system, "istiod-0", "istiod", "discovery", "10.10.0.2", map[string]string{"app": "istiod"})
	for kind, address := range map[string]string{"ingressgateway": p.ingress, "eastwestgateway": p.eastWest} {
		l := map[string]string{"istio": kind}
		deploy(system, "istio-"+kind, l)
		pod(system, "istio-"+kind+"-0", "istio-"+kind, "istio-proxy", "10.10.0.3", l)
		labels := maps.Clone(l)
		if kind == "eastwestgateway" {
			labels["topology.istio.io/network"] = p.network
		}
		service(system, "istio-"+kind, address, labels, l)
		f.identify(t, system, "istio-"+kind+"-0", "istio-"+kind, root)
	}
	pod("sample", "sleep-0", "sleep", "sleep", p.clientIP, map[string]string{"app": "sleep"})
	pod("sample", "helloworld-"+p.version+"-0", "default", "helloworld", p.podIP, map[string]string{"app": "helloworld"})
	service("sample", "helloworld", "", nil, map[string]string{"app": "helloworld"})
	f.identify(t, "sample", "sleep-0", "sleep", root)
	f.identify(t, "sample", "helloworld-"+p.version+"-0", "default", root)

	f.chains["istiod-0"] = ca.chain(ca.issue(t, leafOptions{dns: "istiod.istio-system.svc"}))
	f.http["istiod-0:8080/debug/clusterz"] = clusterz(name, "synced")
	var connected []string
	for _, p := range f.pods {
		if p.Name == "istiod-0" {
			continue
		}
		connected = append(connected, p.Name+"."+p.Namespace)
		f.http[p.Name+":15000/clusters?format=json"] = clustersJSON(
			plan[name].podIP+":5000", plan[other(name)].eastWest+":15443")
		if p.Labels["istio"] == "eastwestgateway" {
			f.http[p.Name+":15000/clusters?format=json"] = clusterJSON("outbound_.5000_._.helloworld.sample.svc.cluster.local", plan[name].podIP+":5000")
		}
		f.http[p.Name+":15000/listeners"] = "0.0.0.0_15021::0.0.0.0:15021\n"
	}
	f.http["istiod-0:8080/debug/syncz"] = syncz(name, connected...)
	f.http["istiod-0:15014/metrics"] = "# TYPE pilot_xds gauge\npilot_xds{version=\"1.31.0\"} 5\n"
	return f
}

// identify gives a pod's Envoy a certificate.
func (f *fakeCluster) identify(t *testing.T, ns, pod, account string, trusts ...*authority) {
	leaf := f.ca.issue(t, leafOptions{spiffe: fmt.Sprintf("spiffe://cluster.local/ns/%s/sa/%s", ns, account)})
	f.secrets(pod, f.ca.chain(leaf), trusts...)
}

func (f *fakeCluster) secrets(pod string, chain []*x509.Certificate, trusts ...*authority) {
	var roots []*x509.Certificate
	for _, a := range trusts {
		roots = append(roots, a.cert)
	}
	f.http[pod+":15000/config_dump?resource=dynamic_active_secrets"] = secretsJSON(encode(chain), encode(roots))
}

// secretsJSON is what Envoy 1.40 answers, with the fields that do not matter
// here kept as they come.
func secretsJSON(chain, roots []byte) string {
	dump := map[string]any{"configs": []any{
		map[string]any{
			"@type": "type.googleapis.com/envoy.admin.v3.SecretsConfigDump.DynamicSecret", "name": "default",
			"version_info": "0", "last_updated": "2026-11-22T15:00:00.000Z",
			"secret": map[string]any{
				"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret", "name": "default",
				"tls_certificate": map[string]any{
					"certificate_chain": map[string]any{"inline_bytes": chain},
					"private_key":       map[string]any{"inline_bytes": []byte("[redacted]")},
				},
			},
		},
		map[string]any{
			"@type": "type.googleapis.com/envoy.admin.v3.SecretsConfigDump.DynamicSecret", "name": "ROOTCA",
			"secret": map[string]any{
				"name": "ROOTCA", "validation_context": map[string]any{"trusted_ca": map[string]any{"inline_bytes": roots}},
			},
		},
	}}
	text, err := json.Marshal(dump)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func clusterz(self, status string) string {
	peer := other(self)
	return fmt.Sprintf(`[
  {"id": %q, "secretName": "", "syncStatus": "synced"},
  {"id": %q, "secretName": "istio-system/istio-remote-secret-%s", "syncStatus": %q}
]`, self, peer, peer, status)
}

func syncz(cluster string, proxies ...string) string {
	var entries []string
	for _, p := range proxies {
		entries = append(entries, fmt.Sprintf(`{"cluster_id": %q, "proxy": %q, "proxy_type": "sidecar", "istio_version": "1.31.0",
 "cluster_sent": "n1", "cluster_acked": "n1", "resources": {"type.googleapis.com/envoy.config.cluster.v3.Cluster": {"sent": "n1", "acked": "n1"}}}`, cluster, p))
	}
	return "[" + strings.Join(entries, ",") + "]"
}

func clustersJSON(addresses ...string) string {
	return clusterJSON("outbound|5000||helloworld.sample.svc.cluster.local", addresses...)
}

// clusterJSON is what Envoy 1.40 answers, with one open connection per host and as many
// requests as were sent to it.
func clusterJSON(name string, addresses ...string) string {
	var hosts []string
	for _, a := range addresses {
		host, port, _ := strings.Cut(a, ":")
		hosts = append(hosts, fmt.Sprintf(`{"address": {"socket_address": {"address": %q, "port_value": %s}},
  "stats": [{"name": "cx_connect_fail"}, {"value": "1", "name": "cx_total"}, {"name": "rq_error"}, {"value": "{{%s}}", "name": "rq_total"},
   {"type": "GAUGE", "value": "1", "name": "cx_active"}],
  "health_status": {"eds_health_status": "HEALTHY"}, "weight": 1, "locality": {"region": "region1", "zone": "zone1", "sub_zone": "subzone1"}}`, host, port, a))
	}
	return fmt.Sprintf(`{"cluster_statuses": [
 {"name": "prometheus_stats", "added_via_api": false, "host_statuses": []},
 {"name": %q, "added_via_api": true, "host_statuses": [%s],
  "eds_service_name": %q}]}`, name, strings.Join(hosts, ","), name)
}

// options are what a caller would pass for the fake mesh.
func (f *fakeMesh) options() Options {
	o := Options{
		MeshID: "mesh1",
		Workload: mesh.Workload{
			Namespace: "sample", Service: "helloworld", Port: 5000, Path: "/hello", ClientLabel: "sleep",
			Versions: map[string][]string{"cluster1": {"v2"}, "cluster2": {"v1"}},
		},
		Timeouts: Timeouts{
			Checks: map[string]time.Duration{}, Interval: 10 * time.Millisecond,
		},
	}
	for _, id := range ReadOnlyIDs() {
		o.Timeouts.Checks[id] = 50 * time.Millisecond
	}
	for _, name := range []string{"cluster1", "cluster2"} {
		p := plan[name]
		o.Targets = append(o.Targets, mesh.Cluster{
			Cluster: topology.Cluster{
				Name: name, Network: p.network, ControlPlane: name, Locality: topology.Locality{Region: "region" + name[len(name)-1:]},
			},
			IngressAddress: p.ingress, EastWestAddress: p.eastWest, Config: &rest.Config{},
		})
	}
	return o
}

func (f *fakeMesh) run(t *testing.T, o Options) *Report {
	t.Helper()
	if err := validate(o); err != nil {
		t.Fatal(err)
	}
	m := f.mesh(o)
	report, err := run(t.Context(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	checkWords(t, report)
	return report
}

// checkWords: a report has no command line of this module's, and a remedy for
// everything that it found.
func checkWords(t *testing.T, report *Report) {
	t.Helper()
	for _, c := range report.Checks {
		texts := append([]string{c.Title, c.Proves, c.Summary, c.Remedy.Text, c.Remedy.Object}, c.Retried...)
		check := checks[slices.Index(IDs(), c.ID)]
		for _, f := range c.Findings {
			texts = append(texts, f.Object, f.Message)
			if check.remedy(f.Reason).String() == "" {
				t.Errorf("check %s: reason %s is not declared", c.ID, f.Reason)
			}
		}
		for _, text := range texts {
			if strings.Contains(text, " --") || strings.Contains(text, "meshwright ") {
				t.Errorf("check %s: a command line in %q", c.ID, text)
			}
		}
	}
}

func (f *fakeMesh) mesh(o Options) *session {
	m := &session{
		workload: o.Workload, timeouts: o.Timeouts.withDefaults(), host: f.host,
		deployer: o.Deployer, rules: o.Rules, sources: fakeGenerator{f},
	}
	for _, target := range o.Targets {
		m.members = append(m.members, &mesh.Member{Cluster: target, Kubernetes: f.clusters[target.Name].kubernetes(), Streams: f.clusters[target.Name]})
	}
	return m
}

func (f *fakeCluster) deployment(name string) *appsv1.Deployment {
	for i := range f.deployments {
		if f.deployments[i].Name == name {
			return &f.deployments[i]
		}
	}
	panic("no deployment " + name)
}

func (f *fakeCluster) service(name string) *corev1.Service {
	for i := range f.services {
		if f.services[i].Name == name {
			return &f.services[i]
		}
	}
	panic("no service " + name)
}

func (f *fakeCluster) removePod(name string) {
	for i := range f.pods {
		if f.pods[i].Name == name {
			f.pods = append(f.pods[:i:i], f.pods[i+1:]...)
			return
		}
	}
	panic("no pod " + name)
}

// inRegion is a cluster of which only name and region matter.
func inRegion(name, region string) mesh.Cluster {
	return mesh.Cluster{Cluster: topology.Cluster{Name: name, Locality: topology.Locality{Region: region}}}
}
