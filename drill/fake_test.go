package drill

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttest "k8s.io/client-go/testing"

	"github.com/meshwright/meshwright/load"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/mesh/meshtest"
	"github.com/meshwright/meshwright/mesh/topology"
)

// fakeMesh is two clusters in two regions, each with an ingress, a load pod and one
// helloworld, which comes back under another name when it is deleted.
type fakeMesh struct {
	members []*mesh.Member
	load    func(from mesh.Cluster, via string, p load.Plan, on func(load.Record)) error
}

func newFakeMesh(t *testing.T) *fakeMesh {
	t.Helper()
	f := &fakeMesh{}
	f.load = shaped(f, clean)
	for name, region := range map[string]string{"cluster1": "region1", "cluster2": "region2"} {
		pod := func(app, podName string) *corev1.Pod {
			return &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: "sample", Name: podName, Labels: map[string]string{"app": app}},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: app}}},
				Status: corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{
					{Type: corev1.PodReady, Status: corev1.ConditionTrue},
				}},
			}
		}
		c := fake.NewClientset(
			pod("load", "load-0"), pod("helloworld", serverOf(region)),
			&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "sample", Name: "helloworld"}, Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "helloworld"}}},
		)
		c.PrependReactor("delete", "pods", func(action clienttest.Action) (bool, runtime.Object, error) {
			name := action.(clienttest.DeleteAction).GetName()
			pods := corev1.SchemeGroupVersion.WithResource("pods")
			return true, nil, errors.Join(c.Tracker().Delete(pods, "sample", name), c.Tracker().Add(pod("helloworld", name+"x")))
		})
		m := &mesh.Member{Kubernetes: c, Streams: fakeStreams{}}
		m.Cluster = inRegion(name, region)
		m.IngressAddress = "10.192.8." + name[len(name)-1:]
		f.members = append(f.members, m)
	}
	if f.members[0].Name != "cluster1" {
		f.members[0], f.members[1] = f.members[1], f.members[0]
	}
	return f
}

// inRegion is a cluster of which only name and region matter.
func inRegion(name, region string) mesh.Cluster {
	return mesh.Cluster{Cluster: topology.Cluster{Name: name, Locality: topology.Locality{Region: region}}}
}

func serverOf(region string) string {
	if region == "region1" {
		return "helloworld-v2-0"
	}
	return "helloworld-v1-0"
}

// server is the name of the helloworld pod of cluster1 that runs now.
func (f *fakeMesh) server() string {
	pods, err := f.members[0].Servers(context.Background(), mesh.Workload{Namespace: "sample", Service: "helloworld"})
	if err != nil || len(pods) == 0 {
		return ""
	}
	return pods[0].Name
}

func (f *fakeMesh) setting() Setting {
	return Setting{
		Members: f.members, Sources: f,
		Workload: mesh.Workload{
			Namespace: "sample", Service: "helloworld", Port: 5000, Path: "/hello", LoadLabel: "app=load", Traffic: failoverRule,
			Versions: map[string][]string{"cluster1": {"v2"}, "cluster2": {"v1"}},
		},
	}
}

// options are those of a drill with short runs.
func (f *fakeMesh) options() (Options, *meshtest.Deployer) {
	d := &meshtest.Deployer{Workload: f.setting().Workload}
	return Options{Setting: f.setting(), Deployer: d, Plan: Plan{Rate: 100, Requests: 100}, Rules: []topology.Rule{failoverRule}}, d
}

func (f *fakeMesh) FromPod(m *mesh.Member, _ mesh.Pod, _ string) load.Source {
	return fakeSource{f, m.Cluster, load.ViaMesh}
}

func (f *fakeMesh) FromHost(_ context.Context, url string, _ time.Duration) load.Source {
	for _, m := range f.members {
		if strings.Contains(url, "//"+m.IngressAddress+"/") {
			return fakeSource{f, m.Cluster, load.ViaIngress}
		}
	}
	return nil
}

type fakeSource struct {
	mesh *fakeMesh
	from mesh.Cluster
	via  string
}

func (s fakeSource) Run(_ context.Context, p load.Plan, on func(load.Record)) error {
	return s.mesh.load(s.from, s.via, p, on)
}

// fakeStreams run every command, and count no retries.
type fakeStreams struct{ mesh.Streams }

func (fakeStreams) Exec(context.Context, mesh.Pod, string, []string) (mesh.Output, error) {
	return mesh.Output{}, nil
}

func (fakeStreams) HTTP(context.Context, mesh.Pod, int, string) ([]byte, error) { return nil, io.EOF }

var failoverRule = topology.Rule{Mode: "failover", Profile: topology.ZeroLoss, Failover: map[string]string{"region1": "region2", "region2": "region1"}}

// shape says who answers during a failover, by the part of the run (0 to 1).
type shape func(part float64) (region, failure string)

func clean(part float64) (string, string) {
	if part >= Drain.Phases.Steady && part < Drain.Phases.Steady+Drain.Phases.Fault {
		return "region2", ""
	}
	return "region1", ""
}

// shaped sends records at the plan's pace.
func shaped(f *fakeMesh, s shape) func(mesh.Cluster, string, load.Plan, func(load.Record)) error {
	return func(_ mesh.Cluster, _ string, p load.Plan, on func(load.Record)) error {
		if p.Duration == load.WarmUp {
			return nil
		}
		start, n := time.Now(), p.Scheduled()
		old := f.server()
		time.Sleep(p.Duration)
		for i := range n {
			// In the middle of its slot, so that no record is sent at the very
			// moment of the fault.
			part := (float64(i) + 0.5) / float64(n)
			region, failure := s(part)
			r := load.Record{Seq: i, At: start.Add(time.Duration(part * float64(p.Duration))), Latency: time.Millisecond}
			if r.Error = failure; failure == "" {
				r.Status, r.Version, r.Instance = 200, "v", serverOf(region)
				if region == "region1" && part < Drain.Phases.Steady+Drain.Phases.Fault {
					r.Instance = old
				} else if region == "region1" {
					r.Instance = f.server()
				}
			}
			on(r)
		}
		return nil
	}
}
