package verify

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/report"
)

// TestEveryReasonHasARemedy, and none of them is a command line of this module's.
func TestEveryReasonHasARemedy(t *testing.T) {
	all := map[string][]Cause{"any": CommonReasons()}
	for _, c := range Checks() {
		all[c.ID] = append(all[c.ID], c.Reasons...)
		for _, need := range c.Needs {
			all[c.ID] = append(all[c.ID], need.Missing())
		}
	}
	for id, causes := range all {
		for _, c := range causes {
			if c.Reason == "" || c.Meaning == "" || c.Remedy.Text == "" {
				t.Errorf("check %s: incomplete: %+v", id, c)
			}
			text := c.Meaning + c.Remedy.Text + c.Remedy.Object
			if strings.Contains(text, " --") || strings.Contains(text+c.Remedy.Command, "meshwright ") {
				t.Errorf("check %s: a command line in the remedy of %s: %s", id, c.Reason, c.Remedy)
			}
			if op := c.Remedy.Operation; op != "" && !slices.Contains(report.Operations(), op) {
				t.Errorf("check %s: reason %s: no operation is called %q", id, c.Reason, op)
			}
		}
	}
}

// TestRemedyNamesTheOperation, in the result of a failed and of a skipped check.
func TestRemedyNamesTheOperation(t *testing.T) {
	f := newFakeMesh(t)
	o := f.options()
	f.clusters["cluster2"].deployments = nil
	if got := f.run(t, o).Check(CheckControlPlane).Remedy; got.Operation != report.OperationRefresh {
		t.Errorf("remedy: %+v", got)
	}
	o.Workload = mesh.Workload{}
	if got := f.run(t, o).Check(CheckConnectivity).Remedy; got.Operation != report.OperationUp {
		t.Errorf("remedy: %+v", got)
	}
	o.Targets = nil
	err := validate(o)
	if got := report.Remedies(err); len(got) != 1 || got[0].Operation != report.OperationUp || strings.Contains(err.Error(), "meshwright ") {
		t.Errorf("error %v", err)
	}
	if got := RemedyOf(ReasonNotRemoved); got.Operation != report.OperationCleanup {
		t.Errorf("remedy: %+v", got)
	}
}

func TestRemedyInWords(t *testing.T) {
	for want, r := range map[string]report.Remedy{
		"":                                  {},
		"restart the pod":                   {Text: "restart the pod"},
		"no address; run `kubectl get svc`": {Text: "no address", Command: "kubectl get svc"},
		"look at the rule; compare: do up":  {Text: "compare", Object: "the rule", Operation: report.OperationUp},
	} {
		if got := r.With(map[report.Operation]string{report.OperationUp: "do up"}[r.Operation]); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := (report.Remedy{Text: "compare", Operation: report.OperationUp}).String(); got != "compare" {
		t.Errorf("without an operation: %q", got)
	}
}

// TestConvergence lets a check fail before it passes.
func TestConvergence(t *testing.T) {
	f := newFakeMesh(t)
	calls := 0
	good := f.clusters["cluster1"].exec
	f.clusters["cluster1"].exec = func(argv []string) (mesh.Output, error) {
		if calls++; calls < 3 {
			return answering("")(argv)
		}
		return good(argv)
	}
	o := f.options()
	o.Timeouts.Checks[CheckConnectivity], o.Only = 10*time.Second, []string{CheckConnectivity}
	var retries []string
	o.Progress = func(e Event) {
		if e.Kind == EventRetry {
			retries = append(retries, e.Check)
		}
	}
	report := f.run(t, o)
	if got := report.Check(CheckConnectivity); got.Status != Passed || got.Attempts != 3 || len(got.Retried) != 2 || !strings.Contains(got.Retried[0], "all of 58 requests failed") {
		t.Errorf("status %s after %d attempts: %q", got.Status, got.Attempts, got.Retried)
	}
	if diff := cmp.Diff([]string{CheckConnectivity, CheckConnectivity}, retries); diff != "" {
		t.Errorf("retries (-want +got):\n%s", diff)
	}
}

// TestRequestErrors: after requests that failed among others, a larger number decides.
func TestRequestErrors(t *testing.T) {
	failing := answering("v2", "v1", "v2", "v1", "v2", "v1", "")
	for name, tc := range map[string]struct {
		attempts int // that see errors
		status   Status
		says     string
	}{
		"once":      {1, Warned, "then none of 1000 requests"},
		"each time": {1000, Failed, "35 of 250 requests failed"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeMesh(t)
			good, calls := f.clusters["cluster1"].exec, 0
			f.clusters["cluster1"].exec = func(argv []string) (mesh.Output, error) {
				if calls++; calls <= tc.attempts {
					return failing(argv)
				}
				return good(argv)
			}
			o := f.options()
			o.Timeouts.Checks[CheckConnectivity], o.Only = 10*time.Second, []string{CheckConnectivity}
			got := f.run(t, o).Check(CheckConnectivity)
			if got.Status != tc.status || got.Reason != ReasonRequestErrors || got.Attempts != 2 || !strings.Contains(got.Summary, tc.says) {
				t.Errorf("status %s after %d attempts: %s", got.Status, got.Attempts, got.Summary)
			}
		})
	}
}

func TestOnceMakesOneAttempt(t *testing.T) {
	f := newFakeMesh(t)
	f.clusters["cluster1"].exec = answering("")
	o := f.options()
	o.Once, o.Timeouts = true, Timeouts{}
	if got := f.run(t, o).Check(CheckConnectivity); got.Status != Failed || got.Attempts != 1 {
		t.Errorf("status %s after %d attempts", got.Status, got.Attempts)
	}
}

func TestSkippedIsPartial(t *testing.T) {
	cases := map[string]struct {
		change func(*Options)
		want   red
		proven bool
	}{
		"checks left out": {
			func(o *Options) { o.Only = []string{CheckControlPlane} },
			red{CheckTrust: ReasonNotSelected, CheckDiscovery: ReasonNotSelected, CheckConnectivity: ReasonNotSelected, CheckNetworks: ReasonNotSelected},
			true,
		},
		"nothing to call": {
			func(o *Options) { o.Workload = mesh.Workload{} },
			red{CheckDiscovery: ReasonNoWorkload, CheckConnectivity: ReasonNoWorkload, CheckNetworks: ReasonNoWorkload},
			false,
		},
		"the only one has nothing to call": {
			func(o *Options) { o.Workload, o.Only = mesh.Workload{}, []string{CheckConnectivity} },
			red{CheckControlPlane: ReasonNotSelected, CheckTrust: ReasonNotSelected, CheckDiscovery: ReasonNotSelected, CheckConnectivity: ReasonNoWorkload, CheckNetworks: ReasonNotSelected},
			false,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFakeMesh(t)
			o := f.options()
			c.change(&o)
			report := f.run(t, o)
			if diff := cmp.Diff(c.want, outcomes(report)); diff != "" {
				t.Errorf("not passed (-want +got):\n%s", diff)
			}
			if report.Verdict != "partial" {
				t.Errorf("verdict %q, want partial", report.Verdict)
			}
			if report.Proven() != c.proven {
				t.Errorf("proven is %t, want %t", report.Proven(), c.proven)
			}
		})
	}
}

// TestHostWithoutRoute asks from inside the cluster where the addresses are
// not routable, and finds the same faults there.
func TestHostWithoutRoute(t *testing.T) {
	unroutable := fmt.Errorf("%w: i/o timeout", mesh.ErrUnroutable)
	prepare := func(t *testing.T, ready, handshake, versions string) *fakeMesh {
		f := newFakeMesh(t)
		for key := range f.host.get {
			f.host.get[key] = func() (int, string, error) { return 0, "", unroutable }
		}
		for _, p := range plan {
			f.host.dial[p.eastWest+":15443"] = unroutable
		}
		for _, c := range f.clusters {
			c.exec = func(argv []string) (mesh.Output, error) {
				line := strings.Join(argv, " ")
				switch {
				case strings.Contains(line, ":15021/"):
					return mesh.Output{Stdout: []byte(ready)}, nil
				case strings.Contains(line, ":15443/"):
					return mesh.Output{Code: 56, Stderr: []byte(handshake)}, nil
				case strings.Contains(line, "helloworld.sample"):
					return answering("v1", "v2")(argv)
				}
				return answering(strings.Split(versions, ",")...)(argv)
			}
		}
		return f
	}
	const greeted = "* TLSv1.3 (IN), TLS handshake, Certificate (11):\n"
	cases := map[string]struct {
		ready, handshake, versions string
		want                       red
	}{
		"all well":          {"200", greeted, "v1,v2", red{}},
		"address silent":    {"000", greeted, "v1,v2", red{CheckControlPlane: ReasonAddressSilent}},
		"port closed":       {"200", "* Recv failure: Connection reset by peer", "v1,v2", red{CheckControlPlane: ReasonCrossNetworkPortClosed}},
		"ingress one-sided": {"200", greeted, "v1", red{CheckConnectivity: ReasonVersionUnreachable}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := prepare(t, c.ready, c.handshake, c.versions)
			if diff := cmp.Diff(c.want, outcomes(f.run(t, f.options()))); diff != "" {
				t.Errorf("red checks (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEvidenceIsAttached(t *testing.T) {
	f := newFakeMesh(t)
	f.clusters["cluster1"].exec = answering("v2", "")
	none := int32(0)
	f.clusters["cluster2"].deployment("istio-eastwestgateway").Spec.Replicas = &none
	report := f.run(t, f.options())
	for id, want := range map[string][]string{
		CheckControlPlane: {EvidenceObject, EvidenceLog},
		CheckConnectivity: {EvidenceRequests, EvidenceLog},
	} {
		var kinds []string
		for _, e := range report.Check(id).Evidence {
			kinds = append(kinds, e.Kind)
			if e.Content == "" || e.Cluster == "" || e.Title == "" {
				t.Errorf("%s: empty evidence %+v", id, e)
			}
		}
		if diff := cmp.Diff(want, kinds); diff != "" {
			t.Errorf("%s: kinds of evidence (-want +got):\n%s", id, diff)
		}
	}
	log := report.Check(CheckConnectivity).Evidence[0].Content
	if !strings.HasPrefix(log, "  2 ") || !strings.Contains(log, "connection timeout") {
		t.Errorf("the request log does not begin with the failures:\n%s", log)
	}
}

func TestFlatNetworkWantsPods(t *testing.T) {
	f := newFakeMesh(t)
	o := f.options()
	f.join(&o)
	if diff := cmp.Diff(red{}, outcomes(f.run(t, o))); diff != "" {
		t.Errorf("pods on a flat network (-want +got):\n%s", diff)
	}
	for name, c := range f.clusters {
		c.http["sleep-0:15000/clusters?format=json"] = clustersJSON(plan[name].podIP+":5000", plan[other(name)].eastWest+":15443")
	}
	want := red{CheckDiscovery: ReasonEndpointMissing, CheckNetworks: ReasonPathUnproven}
	if diff := cmp.Diff(want, outcomes(f.run(t, o))); diff != "" {
		t.Errorf("gateways on a flat network (-want +got):\n%s", diff)
	}
}

func TestRemoteClusterIsServedByItsPrimary(t *testing.T) {
	f := newFakeMesh(t)
	remote := f.clusters["cluster2"]
	o := f.options()
	o.Targets[1].ControlPlane = "cluster1"
	// cluster2 has no istiod; its proxies hold certificates of cluster1's CA
	// and are connected there.
	remote.removePod("istiod-0")
	remote.deployments = slices.DeleteFunc(remote.deployments, func(d appsv1.Deployment) bool { return d.Name == "istiod" })
	remote.reissueOnly(t, f.clusters["cluster1"].ca, f.root)
	var ids []string
	for _, c := range f.clusters {
		for _, p := range c.pods {
			ids = append(ids, strings.TrimSuffix(strings.TrimPrefix(syncz(c.name, p.Name+"."+p.Namespace), "["), "]"))
		}
	}
	f.clusters["cluster1"].http["istiod-0:8080/debug/syncz"] = "[" + strings.Join(ids, ",") + "]"
	if diff := cmp.Diff(red{}, outcomes(f.run(t, o))); diff != "" {
		t.Errorf("red checks (-want +got):\n%s", diff)
	}
	// With certificates of a CA that its primary does not have, it is red.
	remote.reissueOnly(t, newAuthority(t, "its own", f.root), f.root)
	if diff := cmp.Diff(red{CheckTrust: ReasonWrongIssuer}, outcomes(f.run(t, o))); diff != "" {
		t.Errorf("red checks (-want +got):\n%s", diff)
	}
}

func (f *fakeCluster) reissueOnly(t *testing.T, ca *authority, trusts ...*authority) {
	t.Helper()
	f.ca = ca
	for _, p := range f.pods {
		f.identify(t, p.Namespace, p.Name, p.Spec.ServiceAccountName, trusts...)
	}
}

func TestOptionsAreValidated(t *testing.T) {
	cases := map[string]struct {
		change func(*Options)
		want   string
	}{
		"no clusters":            {func(o *Options) { o.Targets = nil }, "no clusters"},
		"twice":                  {func(o *Options) { o.Targets[1].Name = "cluster1" }, "listed twice"},
		"no kubeconfig":          {func(o *Options) { o.Targets[1].Config = nil }, "no kubeconfig"},
		"unknown control plane":  {func(o *Options) { o.Targets[1].ControlPlane = "cluster9" }, "cluster9"},
		"unknown in workload":    {func(o *Options) { o.Workload.Versions["cluster9"] = []string{"v1"} }, "cluster9"},
		"unknown check":          {func(o *Options) { o.Only = []string{"plane"} }, "control-plane, trust, discovery, connectivity, networks"},
		"an old id":              {func(o *Options) { o.Only = []string{"planes"} }, `"control-plane"`},
		"another old id":         {func(o *Options) { o.Only = []string{"calls"} }, `"connectivity"`},
		"a deadline of no check": {func(o *Options) { o.Timeouts.Checks["plane"] = time.Second }, `"plane"`},
		"a cluster with no id":   {func(o *Options) { o.Targets[0].Name = "" }, "no name"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o := newFakeMesh(t).options()
			c.change(&o)
			err := validate(o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want one with %q", err, c.want)
			}
			if strings.Contains(err.Error(), " --") || strings.Contains(err.Error(), "meshwright ") {
				t.Errorf("a command line in %q", err)
			}
		})
	}
}

func TestTerminatingPodsAreNotAsked(t *testing.T) {
	f := newFakeMesh(t)
	now := metav1.Now()
	gone := f.clusters["cluster1"].pods[len(f.clusters["cluster1"].pods)-1].DeepCopy()
	gone.Name, gone.DeletionTimestamp = "helloworld-v2-old", &now
	f.clusters["cluster1"].pods = append(f.clusters["cluster1"].pods, *gone)
	if diff := cmp.Diff(red{}, outcomes(f.run(t, f.options()))); diff != "" {
		t.Errorf("red checks (-want +got):\n%s", diff)
	}
}
