package verify

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/mesh"
)

func TestEveryReasonHasAHint(t *testing.T) {
	for _, c := range checks {
		for _, r := range c.reasons {
			if hints[r] == "" {
				t.Errorf("check %s: reason %s has no hint", c.id, r)
			}
		}
	}
}

// TestHintsAddressTheLab: whoever types the next command as it is shown looks at the
// lab that was checked, and not at the default one.
func TestHintsAddressTheLab(t *testing.T) {
	flags := " --stack primary-remote --name two"
	f := newFakeMesh(t)
	o := f.options()
	o.Flags = flags
	f.clusters["cluster2"].deployments = nil
	if got := f.run(t, o).Check(CheckPlanes).Remedy.Text; !strings.HasPrefix(got, "run `meshwright up --refresh"+flags+"`:") {
		t.Errorf("hint: %s", got)
	}
	o.Workload = mesh.Workload{}
	if got := f.run(t, o).Check(CheckCalls).Summary; !strings.Contains(got, "`meshwright up"+flags+"`") {
		t.Errorf("summary: %s", got)
	}
	for reason, text := range hints {
		if named := strings.Count(text, "meshwright "); named != strings.Count(withFlags(text, flags), flags+"`") {
			t.Errorf("%s: a command without backquotes: %s", reason, text)
		}
	}
	report := DrillReport{flags: flags, Findings: []Finding{{Reason: ReasonNotRemoved}}}
	var table strings.Builder
	if err := report.Table(&table); err != nil || !strings.Contains(table.String(), "`meshwright verify --cleanup"+flags+"`") {
		t.Errorf("%v: %s", err, table.String())
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
	o.Timeouts.Calls, o.Only = 10*time.Second, []string{CheckCalls}
	var retries []string
	o.Progress = func(e Event) {
		if e.Kind == EventRetry {
			retries = append(retries, e.Check)
		}
	}
	report := f.run(t, o)
	if got := report.Check(CheckCalls); got.Status != Passed || got.Attempts != 3 || len(got.Retried) != 2 || !strings.Contains(got.Retried[0], "all of 51 requests failed") {
		t.Errorf("status %s after %d attempts: %q", got.Status, got.Attempts, got.Retried)
	}
	if diff := cmp.Diff([]string{CheckCalls, CheckCalls}, retries); diff != "" {
		t.Errorf("retries (-want +got):\n%s", diff)
	}
}

func TestOnceMakesOneAttempt(t *testing.T) {
	f := newFakeMesh(t)
	f.clusters["cluster1"].exec = answering("")
	o := f.options()
	o.Once, o.Timeouts = true, Timeouts{}
	if got := f.run(t, o).Check(CheckCalls); got.Status != Failed || got.Attempts != 1 {
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
			func(o *Options) { o.Only = []string{CheckPlanes} },
			red{CheckTrust: ReasonNotSelected, CheckDiscovery: ReasonNotSelected, CheckCalls: ReasonNotSelected, CheckNetworks: ReasonNotSelected},
			true,
		},
		"nothing to call": {
			func(o *Options) { o.Workload = mesh.Workload{} },
			red{CheckDiscovery: ReasonNoWorkload, CheckCalls: ReasonNoWorkload, CheckNetworks: ReasonNoWorkload},
			false,
		},
		"the only one has nothing to call": {
			func(o *Options) { o.Workload, o.Only = mesh.Workload{}, []string{CheckCalls} },
			red{CheckPlanes: ReasonNotSelected, CheckTrust: ReasonNotSelected, CheckDiscovery: ReasonNotSelected, CheckCalls: ReasonNoWorkload, CheckNetworks: ReasonNotSelected},
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
		"address silent":    {"000", greeted, "v1,v2", red{CheckPlanes: ReasonAddressSilent}},
		"port closed":       {"200", "* Recv failure: Connection reset by peer", "v1,v2", red{CheckPlanes: ReasonCrossNetworkPortClosed}},
		"ingress one-sided": {"200", greeted, "v1", red{CheckCalls: ReasonVersionUnreachable}},
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
		CheckPlanes: {EvidenceObject, EvidenceLog},
		CheckCalls:  {EvidenceRequests, EvidenceLog},
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
	log := report.Check(CheckCalls).Evidence[0].Content
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
		"no clusters":          {func(o *Options) { o.Targets = nil }, "no clusters"},
		"twice":                {func(o *Options) { o.Targets[1].Name = "cluster1" }, "listed twice"},
		"no kubeconfig":        {func(o *Options) { o.Targets[1].Config = nil }, "no kubeconfig"},
		"unknown plane":        {func(o *Options) { o.Targets[1].ControlPlane = "cluster9" }, "cluster9"},
		"unknown in workload":  {func(o *Options) { o.Workload.Versions["cluster9"] = []string{"v1"} }, "cluster9"},
		"unknown check":        {func(o *Options) { o.Only = []string{"plane"} }, "planes trust discovery calls networks"},
		"a cluster with no id": {func(o *Options) { o.Targets[0].Name = "" }, "no name"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o := newFakeMesh(t).options()
			c.change(&o)
			if err := validate(o); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
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
