package automation

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubefake "k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"

	"github.com/meshwright/meshwright/automation/internal/backend"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/mesh/topology"
	"github.com/meshwright/meshwright/report"
)

// TestWait: what is waited for is told once it is missing, each state once, and the last
// one is in the error.
func TestWait(t *testing.T) {
	t.Parallel()
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tc := range map[string]struct {
		ctx    context.Context
		within time.Duration
		looks  []state // the last one repeats
		events []string
		err    []string
		drift  bool
	}{
		"there at once": {t.Context(), time.Minute, []state{{}}, nil, nil, false},
		"comes": {
			t.Context(), time.Minute,
			[]state{{missing: []string{"a", "b"}}, {missing: []string{"a", "b"}}, {missing: []string{"b"}}, {}},
			[]string{"start ", "status a (and 1 more)", "status b", "done "},
			nil, false,
		},
		"comes and goes": {
			t.Context(), time.Minute,
			[]state{{missing: []string{"a"}}, {}, {missing: []string{"b"}}, {}},
			[]string{"start ", "status a", "status b", "done "},
			nil, false,
		},
		"does not come": {
			t.Context(), 20 * time.Millisecond,
			[]state{{missing: []string{"a"}}, {missing: []string{"b", "c"}}},
			[]string{"start ", "status a", "status b (and 1 more)", "failed "},
			[]string{"were not ready within 20ms", "\n  b\n  c"},
			false,
		},
		"is stopped": {stopped, time.Minute, []state{{missing: []string{"a"}}}, []string{"start ", "status a", "failed "}, []string{"stopped while waiting", "\n  a"}, false},
		"does not come by itself": {
			t.Context(), time.Minute,
			[]state{{missing: []string{"a"}}, {missing: []string{"a"}, drift: []string{"d"}}},
			[]string{"start ", "status a", "failed "},
			[]string{"changed by hand", "\n  d"},
			true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			w := &waiter{lab: "dev", deadlines: Deadlines{Interval: 5 * time.Millisecond}.withDefaults(), emit: func(e Event) {
				if e.Type != WaitType || e.Name != "mesh" {
					t.Errorf("event %+v", e)
				}
				got = append(got, string(e.Kind)+" "+e.Message)
			}}
			n := -1
			err := w.wait(tc.ctx, "mesh", tc.within, func(context.Context) state {
				n++
				return tc.looks[min(n, len(tc.looks)-1)]
			})
			if diff := cmp.Diff(tc.events, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			var unready *NotReadyError
			if (err != nil) != (tc.err != nil) || err != nil && !errors.As(err, &unready) {
				t.Fatalf("error %v", err)
			}
			for _, part := range tc.err {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q lacks %q", err, part)
				}
			}
			if err != nil && (unready.Drift != tc.drift || tc.drift != (report.Remedies(err)[0].Operation == report.OperationRefresh)) {
				t.Errorf("%+v, remedies %+v", unready, report.Remedies(err))
			}
			if err != nil && errors.Is(err, context.Canceled) != (tc.ctx == stopped) {
				t.Errorf("error %v does not say why it ended", err)
			}
		})
	}
}

// TestDrift: a finding whose remedy is a refresh is waited for, and then it is drift.
func TestDrift(t *testing.T) {
	t.Parallel()
	look := func(remedy report.Operation, reason report.Reason) *report.Report {
		f := report.Finding{Reason: reason, Cluster: "c1", Message: "m"}
		return &report.Report{Checks: []report.Result{
			{ID: "passed", Status: report.Passed},
			{ID: "discovery", Status: report.Failed, Reason: reason, Findings: []report.Finding{f}, Remedy: report.Remedy{Operation: remedy}},
		}}
	}
	since := map[string]time.Time{}
	if got := failures(look(report.OperationRefresh, "RemoteMissing"), since, time.Hour); len(got.missing) != 1 || len(got.drift) != 0 || len(since) != 1 {
		t.Errorf("at first: %+v, %v", got, since)
	}
	if got := failures(look(report.OperationRefresh, "RemoteMissing"), since, 0); len(got.drift) != 1 {
		t.Errorf("for long: %+v", got)
	}
	if got := failures(look(report.OperationRefresh, "Other"), since, time.Hour); len(got.drift) != 0 || len(since) != 1 {
		t.Errorf("another: %+v, %v", got, since)
	}
	if got := failures(look("", "NotSynced"), since, 0); len(got.missing) != 1 || len(got.drift) != 0 || len(since) != 0 {
		t.Errorf("no refresh: %+v, %v", got, since)
	}
	if got := failures(&report.Report{}, since, 0); len(got.missing) != 0 {
		t.Errorf("nothing: %+v", got)
	}
}

// TestAPIServer: one that starts says which part is missing.
func TestAPIServer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		rw.WriteHeader(http.StatusInternalServerError)
		_, _ = rw.Write([]byte("[+]ping ok\n[-]poststarthook/rbac/bootstrap-roles failed: reason withheld\nreadyz check failed\n"))
	}))
	look := func() []string {
		members, done, err := mesh.Connect([]mesh.Cluster{{Cluster: topology.Cluster{Name: "c1"}, Config: &rest.Config{Host: server.URL}}})
		defer done()
		if err != nil {
			t.Fatal(err)
		}
		return apiServer(t.Context(), members[0]).missing
	}
	if diff := cmp.Diff([]string{"the API server is not ready: poststarthook/rbac/bootstrap-roles"}, look()); diff != "" {
		t.Errorf("starting (-want +got):\n%s", diff)
	}
	server.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	if got := look(); got != nil {
		t.Errorf("ready: %q", got)
	}
	server.Close()
	if got := look(); len(got) != 1 || !strings.Contains(got[0], "does not answer") {
		t.Errorf("closed: %q", got)
	}
}

// replicas is a deployment of which so many replicas are wanted and available.
func replicas(namespace, name string, want, available int32, labels map[string]string) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &want, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}},
		},
		Status: appsv1.DeploymentStatus{Replicas: want, UpdatedReplicas: want, AvailableReplicas: available},
	}
}

// TestWorkloads: nodes, rollouts and deployments of the lab, and of no one else.
func TestWorkloads(t *testing.T) {
	t.Parallel()
	app := func(name string) map[string]string { return map[string]string{"app": name} }
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}, Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}}
	istiod, ingress := replicas("istio-system", "istiod", 1, 1, app("istiod")), replicas("istio-system", "gateway", 1, 1, map[string]string{"istio": "ingressgateway"})
	client, v1 := replicas("sample", "sleep", 1, 1, app("sleep")), replicas("sample", "hello-v1", 1, 1, map[string]string{"app": "hello", "version": "v1"})
	speaker := &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: "metallb-system", Name: "speaker"}, Spec: appsv1.DaemonSetSpec{Selector: &metav1.LabelSelector{MatchLabels: app("speaker")}},
		Status: appsv1.DaemonSetStatus{DesiredNumberScheduled: 1, UpdatedNumberScheduled: 1, NumberAvailable: 1},
	}
	foreign := replicas("mine", "broken", 3, 0, app("broken"))
	for name, tc := range map[string]struct {
		change func()
		left   []string // objects that are not there
		want   state
	}{
		"all there": {func() {}, nil, state{}},
		"no node":   {func() {}, []string{"n1"}, state{missing: []string{"node n1 has not joined"}}},
		"node not ready": {func() {
			node.Status.Conditions[0].Status = corev1.ConditionUnknown
			node.Status.Conditions[0].Reason = "NodeStatusUnknown"
		}, nil, state{missing: []string{"node n1 is not ready: NodeStatusUnknown: "}}},
		"not available":   {func() { ingress.Status.AvailableReplicas = 0 }, nil, state{missing: []string{"deployment istio-system/gateway: 0 of 1 available, 1 updated, 1 in all; pod gateway-0: container istio-proxy: ImagePullBackOff: no such image"}}},
		"not rolled out":  {func() { client.Generation = 2 }, nil, state{missing: []string{"deployment sample/sleep: 1 of 1 available, 1 updated, 1 in all"}}},
		"daemon set":      {func() { speaker.Status.NumberAvailable = 0 }, nil, state{missing: []string{"daemon set metallb-system/speaker: available on 0 of 1 nodes, updated on 1"}}},
		"scaled to 0":     {func() { *istiod.Spec.Replicas = 0; istiod.Status = appsv1.DeploymentStatus{} }, nil, state{drift: []string{"deployment istio-system/istiod is scaled to 0"}}},
		"gateway deleted": {func() {}, []string{"gateway"}, state{drift: []string{"the deployment of the ingress gateway is missing in namespace istio-system"}}},
		"version deleted": {func() {}, []string{"hello-v1"}, state{drift: []string{"the deployment of version v1 of the sample is missing in namespace sample"}}},
		"client deleted":  {func() {}, []string{"sleep"}, state{drift: []string{"the deployment of the client of the sample is missing in namespace sample"}}},
		"istiod deleted":  {func() {}, []string{"istiod"}, state{drift: []string{"the deployment of istiod is missing in namespace istio-system"}}},
	} {
		t.Run(name, func(t *testing.T) {
			before := []any{node.DeepCopy(), istiod.DeepCopy(), ingress.DeepCopy(), client.DeepCopy(), speaker.DeepCopy()}
			defer func() {
				*node, *istiod, *ingress, *client, *speaker = *before[0].(*corev1.Node), *before[1].(*appsv1.Deployment), *before[2].(*appsv1.Deployment), *before[3].(*appsv1.Deployment), *before[4].(*appsv1.DaemonSet)
			}()
			tc.change()
			api := kubefake.NewClientset()
			pod := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: "istio-system", Name: "gateway-0", Labels: map[string]string{"istio": "ingressgateway"}},
				Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
					Name: "istio-proxy", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such image"}},
				}}},
			}
			var errs []error
			if !slices.Contains(tc.left, node.Name) {
				errs = append(errs, api.Tracker().Add(node))
			}
			for _, d := range []*appsv1.Deployment{istiod, ingress, client, v1, foreign} {
				if !slices.Contains(tc.left, d.Name) {
					errs = append(errs, api.Tracker().Add(d))
				}
			}
			if err := errors.Join(append(errs, api.Tracker().Add(speaker), api.Tracker().Add(pod))...); err != nil {
				t.Fatal(err)
			}
			m := &mesh.Member{Cluster: mesh.Cluster{Cluster: topology.Cluster{Name: "c1", ControlPlane: "c1"}, IngressAddress: "10.0.0.1", Nodes: []string{"n1"}}, Kubernetes: api}
			w := mesh.Workload{Namespace: "sample", Service: "hello", ClientLabel: "sleep", Versions: map[string][]string{"c1": {"v1"}}}
			if diff := cmp.Diff(tc.want, workloads(t.Context(), m, w), cmp.AllowUnexported(state{})); diff != "" {
				t.Errorf("state (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRefreshWaitsForAPIServers: an API server that does not answer stops a refresh before
// the engine asks it what exists, and nothing leaves the state.
func TestRefreshWaitsForAPIServers(t *testing.T) {
	t.Parallel()
	w := newWorld()
	lab := testLab(t, "dev", t.TempDir(), w, "ok")
	if _, err := lab.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	lab.answering, lab.o.Deadlines = lab.awaitAPIServers, Deadlines{APIServers: time.Millisecond, Interval: time.Millisecond}
	w.mu.Lock()
	clear(w.things) // what a refresh would find gone
	w.mu.Unlock()
	for name, f := range map[string]func() error{
		"up --refresh": func() error { _, err := lab.Up(t.Context(), WithRefresh()); return err },
		"refresh":      func() error { _, err := lab.Refresh(t.Context()); return err },
	} {
		var unready *NotReadyError
		if err := f(); !errors.As(err, &unready) || unready.Waited != "API servers" || !strings.Contains(err.Error(), "cluster1: the API server does not answer") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if snap, err := backend.ReadLocal(lab.backendDir(), lab.Name()); err != nil || snap.Real() != 2 {
		t.Errorf("%d resources in the state, %v", snap.Real(), err)
	}
	// A plain up that has nothing to start goes on, and waits at its end.
	lab.ready = func(context.Context, *Outputs) error { return &NotReadyError{Lab: "dev", Waited: "mesh"} }
	var unready *NotReadyError
	if _, err := lab.Up(t.Context()); !errors.As(err, &unready) || unready.Waited != "mesh" {
		t.Errorf("up of a lab that does not answer: %v", err)
	}
}
