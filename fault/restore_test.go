package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	clienttest "k8s.io/client-go/testing"

	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/mesh/topology"
)

// TestRestore: every fault changes something, is recognised by a process that knows
// the mesh alone, is not injected twice, and leaves nothing when it has been restored.
func TestRestore(t *testing.T) {
	for _, f := range All() {
		t.Run(f.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // deployments and proxies need their time
				ctx := t.Context()
				w := newWorld(t, f)
				if why := f.Lacks(w.subject); why != "" {
					t.Fatal(why)
				}
				before := w.state(t)
				if r, err := f.Recognise(ctx, w.subject); r != nil || err != nil {
					t.Fatalf("recognised before it was prepared: %v, %v", r, err)
				}
				r, err := f.Prepare(ctx, w.subject)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(before, w.state(t)); diff != "" {
					t.Errorf("preparing changed (-before +after):\n%s", diff)
				}
				if err := f.Inject(ctx, w.subject, r); err != nil {
					t.Fatal(err)
				}
				if !f.SelfHealing && cmp.Equal(before, w.state(t)) {
					t.Error("nothing is broken")
				}
				if _, err := f.Prepare(ctx, w.subject); err == nil {
					t.Error("it is injected over itself")
				}

				later := &Subject{Members: w.subject.Members, Workload: w.subject.Workload, NodeExec: w.subject.NodeExec}
				found, err := f.Recognise(ctx, later)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(r, found); diff != "" {
					t.Errorf("recognised (-injected +recognised):\n%s", diff)
				}
				for range 2 { // the first may have been cut off before it could say so
					if err := f.Restore(ctx, later, found); err != nil {
						t.Fatal(err)
					}
				}
				if diff := cmp.Diff(before, w.state(t)); diff != "" {
					t.Errorf("not restored (-before +after):\n%s", diff)
				}
				if left, err := Leftovers(ctx, later); len(left) > 0 || err != nil {
					t.Errorf("left %v, %v", left, err)
				}
			})
		})
	}
}

// TestRecogniseUnknown: a cluster that does not answer, or a record that cannot be
// read, is not a mesh without faults.
func TestRecogniseUnknown(t *testing.T) {
	for name, spoil := range map[string]func(*fake.Clientset){
		"no answer": func(c *fake.Clientset) {
			c.PrependReactor("list", "secrets", func(clienttest.Action) (bool, runtime.Object, error) {
				return true, nil, errors.New("connection refused")
			})
		},
		"no record": func(c *fake.Clientset) {
			for _, f := range All() {
				bad := &corev1.Secret{
					ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: f.Name, Labels: map[string]string{recordLabel: f.Name}},
					Data:       map[string][]byte{recordKey: []byte("{")},
				}
				if err := c.Tracker().Add(bad); err != nil {
					t.Error(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := fake.NewClientset()
			spoil(c)
			s := &Subject{Members: []*mesh.Member{{Cluster: mesh.Cluster{Cluster: topology.Cluster{Name: "a"}}, Kubernetes: c}}}
			for _, f := range All() {
				if r, err := f.Recognise(t.Context(), s); err == nil || r != nil {
					t.Errorf("%s: %v, %v", f.Name, r, err)
				}
			}
		})
	}
}

// TestDrainRunsInTheSidecar sees what is asked of the proxies.
func TestDrainRunsInTheSidecar(t *testing.T) {
	for name, want := range map[string]string{"drain": "drain_listeners", "graceful": "drain_listeners?graceful"} {
		f, err := Named(name)
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, f)
		r, err := f.Prepare(t.Context(), w.subject)
		if err != nil || !slices.Equal(r.Objects, []string{"helloworld-0"}) {
			t.Fatalf("%+v, %v", r, err)
		}
		if err := f.Inject(t.Context(), w.subject, r); err != nil || !slices.Equal(w.did, []string{"a: helloworld-0/istio-proxy: pilot-agent request POST " + want}) {
			t.Errorf("%s: %v, %v", name, w.did, err)
		}
	}
}

// world is two clusters of fakes in which deployments and istiod do their work.
type world struct {
	subject *Subject
	clients []*fake.Clientset
	did     []string        // commands in pods and on nodes
	broken  map[string]bool // nodes on which something was changed, drained pods
}

func newWorld(t *testing.T, f Fault) *world {
	t.Helper()
	w := &world{broken: map[string]bool{}}
	needs := func(name string) bool {
		return slices.ContainsFunc(f.Needs, func(n Need) bool { return n.Name == name })
	}
	primaryOfB, networkOfB := "b", "n2"
	if needs("RemoteCluster") {
		primaryOfB = "a"
	}
	if needs("Neighbours") {
		networkOfB = "n1"
	}
	w.subject = &Subject{
		Region: "r1", NodeExec: w.nodeExec,
		Workload: mesh.Workload{Namespace: "sample", Service: "helloworld", Versions: map[string][]string{"a": {"v1"}, "b": {"v2"}}},
	}
	for i, c := range []topology.Cluster{
		{Name: "a", Network: "n1", ControlPlane: "a", Locality: topology.Locality{Region: "r1"}},
		{Name: "b", Network: networkOfB, ControlPlane: primaryOfB, Locality: topology.Locality{Region: "r2"}},
	} {
		client := fake.NewClientset(objects(c, []string{"b", "a"}[i])...)
		operate(t, client)
		w.clients = append(w.clients, client)
		w.subject.Members = append(w.subject.Members, &mesh.Member{
			Cluster:    mesh.Cluster{Cluster: c, EastWestAddress: "10.0.0.1", Nodes: []string{c.Name + "-node"}},
			Kubernetes: client, Dynamic: dynamics(t), Streams: streams{world: w, cluster: c.Name, client: client},
		})
	}
	return w
}

// objects are those of a healthy cluster.
func objects(c topology.Cluster, peer string) []runtime.Object {
	meta := func(namespace, name string, labels map[string]string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(name), Labels: labels}
	}
	remote := fmt.Appendf(nil, `{"clusters": [{"name": %q, "cluster": {"server": "https://10.0.0.9:6443"}}], "contexts": [], "users": []}`, peer)
	node := &corev1.Node{ObjectMeta: meta("", c.Name+"-node", map[string]string{corev1.LabelTopologyRegion: c.Region})}
	node.Spec.PodCIDR = "10.10.0.0/24"
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "10.192.0.2"}}
	out := []runtime.Object{
		node,
		&corev1.Secret{ObjectMeta: meta(system, "cacerts", nil), Data: map[string][]byte{"root-cert.pem": []byte("root")}},
		&corev1.Secret{ObjectMeta: meta(system, "istio-remote-secret-"+peer, map[string]string{"istio/multiCluster": "true"}), Data: map[string][]byte{peer: remote}},
		&corev1.Service{ObjectMeta: meta("sample", "helloworld", nil), Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "helloworld"}}},
	}
	for _, namespace := range []string{system, "sample"} {
		out = append(out, &corev1.ConfigMap{ObjectMeta: meta(namespace, "istio-ca-root-cert", nil), Data: map[string]string{"root-cert.pem": "root"}})
	}
	for _, d := range []struct{ namespace, name, label, value string }{
		{system, "istiod", "app", "istiod"},
		{system, "istio-eastwestgateway", "istio", "eastwestgateway"},
		{"sample", "helloworld", "app", "helloworld"},
		{"sample", "sleep", "app", "sleep"},
	} {
		labels := map[string]string{d.label: d.value}
		template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name:           d.name,
			ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/ready"}}},
		}}}}
		if d.name == "helloworld" {
			template.Labels = map[string]string{d.label: d.value, mesh.NetworkLabel: c.Network}
		}
		deployment := &appsv1.Deployment{
			ObjectMeta: meta(d.namespace, d.name, labels),
			Spec:       appsv1.DeploymentSpec{Replicas: new(int32(1)), Template: template},
			Status:     appsv1.DeploymentStatus{Replicas: 1, UpdatedReplicas: 1, AvailableReplicas: 1},
		}
		out = append(out, deployment, podOf(deployment, 0))
	}
	return out
}

// podOf is the pod of a deployment; its generation is the number of those before it.
func podOf(d *appsv1.Deployment, generation int) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: *d.Spec.Template.ObjectMeta.DeepCopy(), Spec: *d.Spec.Template.Spec.DeepCopy()}
	p.Namespace, p.Name = d.Namespace, fmt.Sprintf("%s-%d", d.Name, generation)
	p.UID = types.UID(p.Name)
	p.Status.Phase = corev1.PodRunning
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	is := corev1.ConditionTrue
	if p.Spec.Containers[0].ReadinessProbe.HTTPGet.Path != "/ready" {
		is = corev1.ConditionFalse
	}
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: is}}
	return p
}

// operate does what the controllers of a cluster and istiod do.
func operate(t *testing.T, c *fake.Clientset) {
	t.Helper()
	replaced := map[string]int{}
	pods, deployments := corev1.SchemeGroupVersion.WithResource("pods"), appsv1.SchemeGroupVersion.WithResource("deployments")
	must := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	replace := func(d *appsv1.Deployment) {
		list, err := c.Tracker().List(pods, corev1.SchemeGroupVersion.WithKind("Pod"), d.Namespace)
		must(err)
		for _, p := range list.(*corev1.PodList).Items {
			if strings.HasPrefix(p.Name, d.Name+"-") {
				must(c.Tracker().Delete(pods, d.Namespace, p.Name))
			}
		}
		replaced[d.Name]++
		n := *d.Spec.Replicas
		d.Status = appsv1.DeploymentStatus{Replicas: n, UpdatedReplicas: n, AvailableReplicas: n}
		must(c.Tracker().Update(deployments, d, d.Namespace))
		if n == 0 {
			return
		}
		must(c.Tracker().Add(podOf(d, replaced[d.Name])))
		if d.Name != "istiod" {
			return
		}
		ca, err := c.Tracker().Get(corev1.SchemeGroupVersion.WithResource("secrets"), system, "cacerts")
		must(err)
		for _, namespace := range []string{system, "sample"} {
			maps := corev1.SchemeGroupVersion.WithResource("configmaps")
			config, err := c.Tracker().Get(maps, namespace, "istio-ca-root-cert")
			must(err)
			config.(*corev1.ConfigMap).Data = map[string]string{"root-cert.pem": string(ca.(*corev1.Secret).Data["root-cert.pem"])}
			must(c.Tracker().Update(maps, config, namespace))
		}
	}
	deployment := func(namespace, name string) *appsv1.Deployment {
		d, err := c.Tracker().Get(deployments, namespace, name)
		must(err)
		return d.(*appsv1.Deployment)
	}
	c.PrependReactor("delete", "pods", func(action clienttest.Action) (bool, runtime.Object, error) {
		a := action.(clienttest.DeleteAction)
		if _, err := c.Tracker().Get(pods, a.GetNamespace(), a.GetName()); err != nil {
			return true, nil, err
		}
		name := a.GetName()[:strings.LastIndexByte(a.GetName(), '-')]
		replace(deployment(a.GetNamespace(), name))
		return true, nil, nil
	})
	for _, verb := range []string{"update", "patch"} {
		c.PrependReactor(verb, "deployments", func(action clienttest.Action) (bool, runtime.Object, error) {
			_, object, err := clienttest.ObjectReaction(c.Tracker())(action)
			if err == nil {
				replace(object.(*appsv1.Deployment))
			}
			return true, object, err
		})
	}
}

// dynamics holds the objects of Istio's kinds.
func dynamics(t *testing.T) *dynamicfake.FakeDynamicClient {
	t.Helper()
	d := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(),
		map[schema.GroupVersionResource]string{gateways: "GatewayList", destinationRules: "DestinationRuleList", peerAuthentications: "PeerAuthenticationList"})
	add := func(resource schema.GroupVersionResource, kind, namespace, name, spec string) {
		o := &unstructured.Unstructured{}
		text := fmt.Sprintf(`{"apiVersion": "%s/v1", "kind": %q, "metadata": {"namespace": %q, "name": %q}, "spec": %s}`, resource.Group, kind, namespace, name, spec)
		if err := o.UnmarshalJSON([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Resource(resource).Namespace(namespace).Create(t.Context(), o, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	add(gateways, "Gateway", system, "cross-network-gateway", `{"servers": [{"port": {"number": 15443}, "tls": {"mode": "AUTO_PASSTHROUGH"}}]}`)
	add(gateways, "Gateway", system, "istiod-gateway", `{"servers": [{"port": {"number": 15012}, "tls": {"mode": "PASSTHROUGH"}}]}`)
	add(destinationRules, "DestinationRule", "sample", "helloworld", `{"trafficPolicy": {"outlierDetection": {"consecutive5xxErrors": 1},
		"loadBalancer": {"localityLbSetting": {"distribute": [{"from": "r1", "to": {"r1": 80, "r2": 20}}]}}}}`)
	add(peerAuthentications, "PeerAuthentication", "sample", "strict", `{"mtls": {"mode": "STRICT"}}`)
	return d
}

// streams answer for the pods of a cluster.
type streams struct {
	mesh.Streams // none: what is not overridden is never asked

	world   *world
	cluster string
	client  *fake.Clientset
}

// HTTP is istiod's: the clusters that it has a remote secret of.
func (s streams) HTTP(ctx context.Context, _ mesh.Pod, _ int, _ string) ([]byte, error) {
	list, err := s.client.CoreV1().Secrets(system).List(ctx, metav1.ListOptions{LabelSelector: "istio/multiCluster=true"})
	known := []map[string]string{}
	for _, secret := range list.Items {
		for cluster := range secret.Data {
			known = append(known, map[string]string{"id": cluster, "syncStatus": "synced"})
		}
	}
	text, _ := json.Marshal(known) //nolint:errcheck,errchkjson // strings
	return text, err
}

func (s streams) Exec(_ context.Context, pod mesh.Pod, container string, argv []string) (mesh.Output, error) {
	s.world.did = append(s.world.did, s.cluster+": "+pod.Name+"/"+container+": "+strings.Join(argv, " "))
	s.world.broken[s.cluster+pod.Name] = true
	return mesh.Output{}, nil
}

// nodeExec notes whether a node is as it was.
func (w *world) nodeExec(_ context.Context, node string, argv ...string) ([]byte, error) {
	line := strings.Join(argv, " ")
	w.did = append(w.did, node+": "+line)
	restores := strings.Contains(line, "systemctl start") || strings.Contains(line, "systemctl enable") || strings.Contains(line, "ip route del 1")
	if w.broken[node] = !restores; restores {
		delete(w.broken, node)
	}
	return nil, nil
}

// state is what a fault can change, rendered; records, and which pod of a deployment
// runs, are left out.
func (w *world) state(t *testing.T) []string {
	t.Helper()
	var out []string
	add := func(parts ...any) {
		text, err := json.Marshal(parts)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(text))
	}
	for i, m := range w.subject.Members {
		secrets, err := w.clients[i].CoreV1().Secrets(system).List(t.Context(), metav1.ListOptions{LabelSelector: "!" + recordLabel})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range secrets.Items {
			add(m.Name, s.Name, s.Labels, s.Data)
		}
		pods, err := m.Pods(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pods {
			add(m.Name, p.Name[:strings.LastIndexByte(p.Name, '-')], p.Labels, mesh.Ready(&p), w.broken[m.Name+p.Name])
		}
		deployments, err := w.clients[i].AppsV1().Deployments("").List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range deployments.Items {
			add(m.Name, d.Name, d.Spec)
		}
		nodes, err := w.clients[i].CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes.Items {
			add(m.Name, n.Name, n.Labels, w.broken[n.Name])
		}
		for _, kind := range []schema.GroupVersionResource{gateways, destinationRules, peerAuthentications} {
			list, err := m.Dynamic.Resource(kind).List(t.Context(), metav1.ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range list.Items {
				add(m.Name, o.GetName(), o.Object["spec"])
			}
		}
	}
	slices.Sort(out)
	return out
}
