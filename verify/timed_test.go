package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/meshwright/meshwright/load"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/mesh/meshtest"
	"github.com/meshwright/meshwright/mesh/topology"
	"github.com/meshwright/meshwright/report"
)

// fakeGenerator makes up records.
type fakeGenerator struct{ mesh *fakeMesh }

type fakeSource struct {
	run func(load.Plan, func(load.Record)) error
}

func (s fakeSource) Run(_ context.Context, p load.Plan, on func(load.Record)) error {
	return s.run(p, on)
}

func (g fakeGenerator) FromPod(c *mesh.Member, _ mesh.Pod, _ string) load.Source {
	return fakeSource{func(p load.Plan, on func(load.Record)) error { return g.mesh.load(c, "mesh", p, on) }}
}

func (g fakeGenerator) FromHost(context.Context, string, time.Duration) load.Source {
	return fakeSource{func(p load.Plan, on func(load.Record)) error {
		for name, cluster := range plan {
			if strings.Contains(p.URL, "//"+cluster.ingress+"/") {
				return g.mesh.load(&mesh.Member{Cluster: inRegion(name, "region"+name[len(name)-1:])}, "ingress", p, on)
			}
		}
		return errors.New("no such ingress: " + p.URL)
	}}
}

// replace replaces a deleted pod at once by one of another name.
func (f *fakeCluster) replace(pod mesh.Pod) {
	f.podsMu.Lock()
	defer f.podsMu.Unlock()
	for i := range f.pods {
		if f.pods[i].Name == pod.Name && f.pods[i].Namespace == pod.Namespace {
			f.pods = slices.Clone(f.pods)
			f.pods[i].Name = pod.Name + "x"
			f.http = maps.Clone(f.http)
			for key, text := range f.http {
				if rest, ok := strings.CutPrefix(key, pod.Name+":"); ok {
					f.http[pod.Name+"x:"+rest] = text
				}
			}
			syncs := f.http["istiod-0:8080/debug/syncz"]
			f.http["istiod-0:8080/debug/syncz"] = strings.ReplaceAll(syncs, pod.Name+"."+pod.Namespace, pod.Name+"x."+pod.Namespace)
		}
	}
}

var (
	weights = topology.Rule{Mode: "distribute", Profile: topology.ZeroLoss, Weights: map[string]map[string]int{
		"region1": {"region1": 80, "region2": 20}, "region2": {"region1": 20, "region2": 80},
	}}
	atHome = topology.Rule{Mode: "distribute", Profile: topology.ZeroLoss, Weights: map[string]map[string]int{
		"region1": {"region1": 100}, "region2": {"region2": 100},
	}}
	failoverRule = topology.Rule{Mode: "failover", Profile: topology.ZeroLoss, Failover: map[string]string{"region1": "region2", "region2": "region1"}}
)

// timedMesh is the fake mesh with what timed checks need: load pods, outsiders,
// and a load that keeps to the weights.
func timedMesh(t *testing.T) (*fakeMesh, Options, *meshtest.Deployer) {
	t.Helper()
	f := newFakeMesh(t)
	o := f.options()
	o.Rules = mesh.Rules{Distribute: weights, Failover: failoverRule}
	d := &meshtest.Deployer{Workload: o.Workload}
	d.Workload.LoadLabel, d.Workload.ClientLabel = "app=load", "app=load"
	o.Timeouts.Settle = 50 * time.Millisecond
	o.Deployer = d
	for name, c := range f.clusters {
		for _, app := range []string{"load", "outsider", "outsider-node"} {
			c.pods = append(c.pods, corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: "sample", Name: app + "-0", Labels: map[string]string{"app": app}},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: app}}},
				Status: corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{
					{Type: corev1.PodReady, Status: corev1.ConditionTrue},
				}},
			})
		}
		var connected []string
		for _, p := range c.pods {
			if p.Name != "istiod-0" {
				connected = append(connected, p.Name+"."+p.Namespace)
			}
		}
		c.http["istiod-0:8080/debug/syncz"] = syncz(name, connected...)
		c.http["load-0:15000/clusters?format=json"] = clustersJSON(plan[name].podIP+":5000", plan[other(name)].eastWest+":15443")
		retries := `{"stats":[{"name":"cluster.outbound|5000||helloworld.sample.svc.cluster.local;.upstream_rq_retry","value":3}]}`
		c.http["load-0:15000/stats?format=json&filter=upstream_rq_retry$"] = retries
		c.exec = mtls(answering("v1", "v2"), mesh.Output{Code: curlReceiveError, Stderr: []byte("curl: (56) Recv failure: Connection reset by peer")})
	}
	f.load = weighted(80)
	return f, o, d
}

// mtls answers calls on the readiness port, refuses those in plaintext, and
// hands everything else to next.
func mtls(next func([]string) (mesh.Output, error), plaintext mesh.Output) func([]string) (mesh.Output, error) {
	return func(argv []string) (mesh.Output, error) {
		url := argv[len(argv)-1]
		switch {
		case strings.Contains(url, ":15021/"):
			return mesh.Output{Stdout: []byte("200")}, nil
		case strings.Contains(url, ".svc") || strings.Contains(url, "helloworld"):
			return next(argv)
		case argv[0] == "curl":
			return plaintext, nil
		}
		return mesh.Output{}, nil
	}
}

func serverOf(region string) string {
	if region == "region1" {
		return "helloworld-v2-0"
	}
	return "helloworld-v1-0"
}

// weighted answers own percent of the requests in the caller's region, evenly spread.
func weighted(own int) func(*mesh.Member, string, load.Plan, func(load.Record)) error {
	return func(c *mesh.Member, _ string, p load.Plan, on func(load.Record)) error {
		there := map[string]string{"region1": "region2", "region2": "region1"}[c.Region]
		start := time.Now()
		for i := range p.Scheduled() {
			region := c.Region
			if i*(100-own)/100 != (i+1)*(100-own)/100 {
				region = there
			}
			on(load.Record{Seq: i, At: start.Add(time.Duration(i) * time.Millisecond), Status: 200, Version: "v", Instance: serverOf(region)})
		}
		return nil
	}
}

func TestDistribution(t *testing.T) {
	cases := map[string]struct {
		wreck func(*fakeMesh, *Options, *meshtest.Deployer)
		want  Reason
	}{
		"as declared": {func(*fakeMesh, *Options, *meshtest.Deployer) {}, ""},
		"70/30 where 80/20 is declared": {
			func(f *fakeMesh, _ *Options, _ *meshtest.Deployer) { f.load = weighted(70) }, ReasonShareOutOfBounds,
		},
		"five points off": {
			func(f *fakeMesh, _ *Options, _ *meshtest.Deployer) { f.load = weighted(75) }, ReasonShareOutOfBounds,
		},
		"all at home, as declared": {
			func(f *fakeMesh, o *Options, _ *meshtest.Deployer) {
				f.load, o.Rules.Distribute = weighted(100), atHome
			}, "",
		},
		"five points off where all is declared to stay at home": {
			func(f *fakeMesh, o *Options, _ *meshtest.Deployer) { f.load, o.Rules.Distribute = weighted(95), atHome }, ReasonShareOutOfBounds,
		},
		"a request without an answer": {
			func(f *fakeMesh, _ *Options, _ *meshtest.Deployer) {
				good := f.load
				f.load = func(c *mesh.Member, via string, p load.Plan, on func(load.Record)) error {
					return good(c, via, p, func(r load.Record) {
						if r.Seq == 7 {
							r = load.Record{Seq: 7, At: r.At, Status: 503, Error: "503 Service Unavailable"}
						}
						on(r)
					})
				}
			}, ReasonRequestErrors,
		},
		"a record lost": {
			func(f *fakeMesh, _ *Options, _ *meshtest.Deployer) {
				good := f.load
				f.load = func(c *mesh.Member, via string, p load.Plan, on func(load.Record)) error {
					return good(c, via, p, func(r load.Record) {
						if r.Seq != 7 {
							on(r)
						}
					})
				}
			}, ReasonRecordsLost,
		},
		"endpoints without a region": {
			func(f *fakeMesh, _ *Options, _ *meshtest.Deployer) {
				dump := f.clusters["cluster1"].http
				for key, text := range dump {
					dump[key] = strings.ReplaceAll(text, `"region1"`, `""`)
				}
			}, ReasonLocalityUnknown,
		},
		"a node without a region": {
			func(f *fakeMesh, _ *Options, _ *meshtest.Deployer) { f.clusters["cluster2"].region = "" }, ReasonLocalityUnknown,
		},
		"an endpoint that never comes": {
			func(f *fakeMesh, _ *Options, _ *meshtest.Deployer) {
				f.clusters["cluster1"].http["load-0:15000/clusters?format=json"] = clustersJSON("10.10.0.7:5000")
			}, ReasonEndpointMissing,
		},
		"the workload does not come up": {
			func(_ *fakeMesh, _ *Options, d *meshtest.Deployer) { d.Fail = errors.New("no room") }, ReasonNotDeployed,
		},
		"no load pod": {
			func(f *fakeMesh, _ *Options, _ *meshtest.Deployer) { f.clusters["cluster2"].removePod("load-0") }, ReasonClientMissing,
		},
		"something is left": {
			func(_ *fakeMesh, _ *Options, d *meshtest.Deployer) { d.Residue = errors.New("namespace is stuck") }, ReasonNotRemoved,
		},
		"nobody may deploy": {
			func(_ *fakeMesh, o *Options, _ *meshtest.Deployer) { o.Deployer = nil }, ReasonNoDeployer,
		},
		"one region": {
			func(_ *fakeMesh, o *Options, _ *meshtest.Deployer) { o.Targets[1].Region = "region1" }, ReasonNoRegions,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f, o, d := timedMesh(t)
			o.Only = []string{CheckDistribution}
			c.wreck(f, &o, d)
			result := f.run(t, o).Check(CheckDistribution)
			if result.Reason != c.want {
				t.Fatalf("reason %q, want %q: %s\n%+v", result.Reason, c.want, result.Summary, result.Findings)
			}
			if len(d.Deployed()) > 0 && !slices.Equal(d.Removed(), []string{"distribution"}) {
				t.Errorf("removed %v", d.Removed())
			}
		})
	}
}

func TestDistributionData(t *testing.T) {
	f, o, _ := timedMesh(t)
	o.Only = []string{CheckDistribution}
	result := f.run(t, o).Check(CheckDistribution)
	data, ok := result.Data.(DistributionData)
	if !ok || len(data.Generators) != 4 {
		t.Fatalf("data %+v", result.Data)
	}
	if len(data.Regions) != 2 || data.Regions[0].Requests < data.Requests || data.Regions[0].Shares[0].Share != 0.8 {
		t.Errorf("regions %+v", data.Regions)
	}
	own := data.Regions[0].Shares[0]
	for _, part := range []string{
		fmt.Sprintf("%d requests from region1: region1 80.0%% (%d in [%d, %d])", data.Regions[0].Requests, own.Answers, own.Least, own.Most),
		"dispersion up to 0.0",
	} {
		if !strings.Contains(result.Summary, part) {
			t.Errorf("summary %q lacks %q", result.Summary, part)
		}
	}
	for _, l := range data.Generators {
		if 2*l.Requests < data.Requests || l.Errors != 0 || len(l.Shares) != 2 {
			t.Errorf("%s via %s: %+v", l.From, l.Via, l)
		}
		if l.Dispersion > 0.1 { // the fake spreads evenly
			t.Errorf("%s via %s: dispersion %g", l.From, l.Via, l.Dispersion)
		}
		if known := l.Retries != nil; known != (l.Via == "mesh") {
			t.Errorf("%s via %s: retries known: %t", l.From, l.Via, known)
		}
	}
}

// TestStopped: a run that is stopped says what was done, and what it has left.
func TestStopped(t *testing.T) {
	for name, residue := range map[string]error{"nothing of it is left": nil, "namespace is stuck": errors.New("namespace is stuck")} {
		t.Run(name, func(t *testing.T) {
			f, o, d := timedMesh(t)
			o.Full, d.Residue = true, residue
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			good := f.load
			f.load = func(c *mesh.Member, via string, p load.Plan, on func(load.Record)) error {
				stop()
				return errors.Join(good(c, via, p, func(load.Record) {}), context.Canceled)
			}
			var steps []string
			o.Progress = func(e Event) {
				if e.Kind == EventStep {
					steps = append(steps, e.Check+": "+e.Detail)
				}
			}
			result, err := run(ctx, f.mesh(o), o)
			if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), " --") {
				t.Errorf("error %v", err)
			}
			if got := report.Remedies(err); len(got) > 0 != (residue != nil) || residue != nil && got[0].Operation != report.OperationCleanup {
				t.Errorf("remedies of %v: %+v", err, got)
			}
			if result == nil || result.Verdict != "partial" || len(d.Removed()) != 1 {
				t.Fatalf("report %+v, removed %v", result, d.Removed())
			}
			for id, want := range map[string]Reason{CheckControlPlane: "", CheckDistribution: ReasonInterrupted, CheckFailover: ReasonInterrupted, CheckMTLS: ReasonInterrupted} {
				if c := result.Check(id); c == nil || c.Reason != want {
					t.Errorf("check %s: %+v, want reason %q", id, c, want)
				}
			}
			if !slices.Equal(steps, []string{"distribution: removing the workload"}) {
				t.Errorf("steps %v", steps)
			}
		})
	}
}

// TestTimedChecksAreAskedFor leaves a plain run read-only.
func TestTimedChecksAreAskedFor(t *testing.T) {
	f, o, d := timedMesh(t)
	report := f.run(t, o)
	for _, id := range TimedIDs() {
		if report.Check(id) != nil {
			t.Errorf("check %s ran", id)
		}
	}
	if report.Verdict != "pass" || len(d.Deployed()) != 0 {
		t.Errorf("verdict %s, deployed %v", report.Verdict, d.Deployed())
	}
}

func TestBounds(t *testing.T) {
	for _, p := range []float64{0, 0.02, 0.1, 0.2, 0.5, 0.8, 1} {
		for _, alpha := range []float64{1e-6, 1e-6 / 12} {
			t.Run(fmt.Sprintf("%g at %g", p, alpha), func(t *testing.T) {
				n := sampleSize(p, distributionShift, alpha, distributionPower)
				for _, q := range []float64{p - distributionShift, p + distributionShift} {
					if q < 0 || q > 1 {
						continue
					}
					if got := power(n, p, q, alpha); got < distributionPower {
						t.Errorf("n %d: power %g against %g", n, got, q)
					}
				}
				if alarm := power(n, p, p, alpha); alarm > alpha {
					t.Errorf("n %d: false alarm %g", n, alarm)
				}
				least := min(power(n-100, p, p+distributionShift, alpha), power(n-100, p, max(p-distributionShift, 0), alpha))
				if least > 0.999 {
					t.Errorf("n %d is far more than needed", n)
				}
			})
		}
	}
	if lo, hi := acceptance(100, 0, 1e-6); lo != 0 || hi != 0 {
		t.Errorf("a share of nothing: %d to %d", lo, hi)
	}
	if lo, hi := acceptance(100, 1, 1e-6); lo != 100 || hi != 100 {
		t.Errorf("a share of all: %d to %d", lo, hi)
	}
}

func TestMTLS(t *testing.T) {
	cases := map[string]struct {
		plaintext mesh.Output
		client    func([]string) (mesh.Output, error)
		want      Reason
	}{
		"reset":            {mesh.Output{Code: curlReceiveError}, nil, ""},
		"closed":           {mesh.Output{Code: curlEmptyReply}, nil, ""},
		"answered":         {mesh.Output{Stdout: []byte("200")}, nil, ReasonPlaintextAccepted},
		"a 503 of a proxy": {mesh.Output{Stdout: []byte("503")}, nil, ReasonPlaintextAccepted},
		"timed out":        {mesh.Output{Code: 28, Stderr: []byte("timed out")}, nil, ReasonRefusalUnproven},
		"no such name":     {mesh.Output{Code: 6, Stderr: []byte("could not resolve")}, nil, ReasonRefusalUnproven},
		"nothing listens":  {mesh.Output{Code: 7, Stderr: []byte("connection refused")}, nil, ReasonRefusalUnproven},
		"mesh clients get nothing either": {
			mesh.Output{Code: curlReceiveError}, answering(""), ReasonControlFailed,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f, o, _ := timedMesh(t)
			o.Only = []string{CheckMTLS}
			client := c.client
			if client == nil {
				client = answering("v1", "v2")
			}
			for _, cluster := range f.clusters {
				cluster.exec = mtls(client, c.plaintext)
			}
			result := f.run(t, o).Check(CheckMTLS)
			if result.Reason != c.want {
				t.Fatalf("reason %q, want %q: %s", result.Reason, c.want, result.Summary)
			}
			if data, ok := result.Data.(MTLSData); !ok || len(data.Refusals) != 4 {
				t.Errorf("data %+v: want 2 callers in 2 clusters", result.Data)
			}
		})
	}
	t.Run("the way is broken", func(t *testing.T) {
		f, o, _ := timedMesh(t)
		o.Only = []string{CheckMTLS}
		for _, cluster := range f.clusters {
			good := cluster.exec
			cluster.exec = func(argv []string) (mesh.Output, error) {
				if strings.Contains(argv[len(argv)-1], ":15021/") {
					return mesh.Output{Code: 28}, nil
				}
				return good(argv)
			}
		}
		if got := f.run(t, o).Check(CheckMTLS).Reason; got != ReasonRefusalUnproven {
			t.Errorf("reason %q", got)
		}
	})
}
