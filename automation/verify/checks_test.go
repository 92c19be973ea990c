package verify

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/automation/verify/probe"
)

// red is the outcome that a broken mesh must have: the reason of every check
// that is not listed is "", a pass.
type red map[string]Reason

func outcomes(r *Report) red {
	out := red{}
	for _, c := range r.Checks {
		if c.Status != Passed {
			out[c.ID] = c.Reason
		}
	}
	return out
}

func TestHealthyMeshPasses(t *testing.T) {
	report := newFakeMesh(t).run(t, newFakeMesh(t).options())
	if diff := cmp.Diff(red{}, outcomes(report)); diff != "" {
		t.Errorf("red checks (-want +got):\n%s\n%+v", diff, report.Checks)
	}
	if report.Verdict != Pass {
		t.Errorf("verdict %q", report.Verdict)
	}
	for _, c := range report.Checks {
		if c.Attempts != 1 || c.Summary == "" || c.Data == nil || len(c.Findings) != 0 {
			t.Errorf("check %s: attempts %d, summary %q, data %v, findings %v", c.ID, c.Attempts, c.Summary, c.Data, c.Findings)
		}
	}
}

// TestEveryCauseIsSeen breaks one thing at a time: the check that should see
// it goes red for that reason and, but for consequences, no other does.
func TestEveryCauseIsSeen(t *testing.T) {
	const envoySecrets = ":15000/config_dump?resource=dynamic_active_secrets"
	const envoyClusters = ":15000/clusters?format=json"
	cases := map[string]struct {
		wreck func(*testing.T, *fakeMesh)
		want  red
	}{
		"istiod not installed": {
			func(_ *testing.T, f *fakeMesh) { f.clusters["cluster1"].deployment("istiod").Labels = nil },
			red{CheckPlanes: ReasonControlPlaneMissing},
		},
		"istiod not available": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster2"].deployment("istiod").Status.AvailableReplicas = 0
			},
			red{CheckPlanes: ReasonControlPlaneUnavailable},
		},
		"istiod's last change not observed": {
			func(_ *testing.T, f *fakeMesh) { f.clusters["cluster2"].deployment("istiod").Generation++ },
			red{CheckPlanes: ReasonControlPlaneUnavailable},
		},
		"ingress gateway not installed": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster1"].deployment("istio-ingressgateway").Labels = nil
			},
			red{CheckPlanes: ReasonGatewayMissing},
		},
		"east-west gateway scaled to nothing": {
			func(_ *testing.T, f *fakeMesh) {
				d := f.clusters["cluster2"].deployment("istio-eastwestgateway")
				none := int32(0)
				d.Spec.Replicas, d.Status.AvailableReplicas = &none, 0 // Available stays True, as Kubernetes has it
			},
			red{CheckPlanes: ReasonGatewayUnavailable},
		},
		"no address from the load balancer": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster1"].service("istio-ingressgateway").Status = corev1.ServiceStatus{}
			},
			red{CheckPlanes: ReasonAddressPending},
		},
		"another address than planned": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster1"].service("istio-ingressgateway").Status.LoadBalancer.Ingress[0].IP = "10.192.8.9"
			},
			red{CheckPlanes: ReasonAddressMismatch},
		},
		"address refuses": {
			func(_ *testing.T, f *fakeMesh) { delete(f.host.get, plan["cluster2"].eastWest+":15021") },
			red{CheckPlanes: ReasonAddressSilent},
		},
		"gateway not ready behind its address": {
			func(_ *testing.T, f *fakeMesh) {
				f.host.get[plan["cluster2"].eastWest+":15021"] = func() (int, string, error) { return 503, "", nil }
			},
			red{CheckPlanes: ReasonAddressSilent},
		},
		"cross-network port closed": {
			func(_ *testing.T, f *fakeMesh) {
				f.host.dial[plan["cluster2"].eastWest+":15443"] = errors.New("connection refused")
			},
			red{CheckPlanes: ReasonCrossNetworkPortClosed},
		},
		"cluster down": {
			func(_ *testing.T, f *fakeMesh) { f.clusters["cluster2"].down = errors.New("connection refused") },
			red{
				CheckPlanes: ReasonClusterUnreachable, CheckTrust: ReasonClusterUnreachable,
				CheckDiscovery: ReasonClusterUnreachable, CheckCalls: ReasonClusterUnreachable,
			},
		},
		"a defect of a check": {
			func(_ *testing.T, f *fakeMesh) { f.clusters["cluster1"].panics = true },
			red{CheckPlanes: ReasonPanicked},
		},

		"client's proxy does not answer": {
			func(_ *testing.T, f *fakeMesh) {
				delete(f.clusters["cluster1"].http, "sleep-0"+envoySecrets)
				delete(f.clusters["cluster1"].http, "sleep-0"+envoyClusters)
			},
			red{CheckTrust: ReasonProbeFailed, CheckDiscovery: ReasonProbeFailed},
		},
		"proxy without a certificate": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster1"].http["sleep-0"+envoySecrets] = `{"configs": []}`
			},
			red{CheckTrust: ReasonNoIdentity},
		},
		"a cluster with another root": {
			func(t *testing.T, f *fakeMesh) {
				stranger := newAuthority(t, "another root", nil)
				f.clusters["cluster2"].reissue(t, newAuthority(t, "its intermediate", stranger), stranger)
			},
			red{CheckTrust: ReasonRootsDiffer},
		},
		"a chain that leads nowhere": {
			func(t *testing.T, f *fakeMesh) {
				stranger := newAuthority(t, "intermediate of cluster1", newAuthority(t, "root", nil))
				leaf := stranger.issue(t, leafOptions{spiffe: "spiffe://cluster.local/ns/sample/sa/sleep"})
				f.clusters["cluster1"].secrets("sleep-0", stranger.chain(leaf)[:2], f.root)
			},
			red{CheckTrust: ReasonChainInvalid},
		},
		"an expired certificate": {
			func(t *testing.T, f *fakeMesh) {
				c := f.clusters["cluster1"]
				leaf := c.ca.issue(t, leafOptions{spiffe: "spiffe://cluster.local/ns/sample/sa/sleep", notAfter: time.Now().Add(-time.Minute)})
				c.secrets("sleep-0", c.ca.chain(leaf), f.root)
			},
			red{CheckTrust: ReasonCertificateExpired},
		},
		"signed by the root itself": {
			func(t *testing.T, f *fakeMesh) {
				leaf := f.root.issue(t, leafOptions{spiffe: "spiffe://cluster.local/ns/sample/sa/sleep"})
				f.clusters["cluster1"].secrets("sleep-0", f.root.chain(leaf), f.root)
			},
			red{CheckTrust: ReasonNoIntermediate},
		},
		"signed by the other cluster's intermediate": {
			func(t *testing.T, f *fakeMesh) {
				ca := f.clusters["cluster2"].ca
				leaf := ca.issue(t, leafOptions{spiffe: "spiffe://cluster.local/ns/sample/sa/sleep"})
				f.clusters["cluster1"].secrets("sleep-0", ca.chain(leaf), f.root)
			},
			red{CheckTrust: ReasonWrongIssuer},
		},
		"another workload's identity": {
			func(t *testing.T, f *fakeMesh) {
				f.clusters["cluster1"].identify(t, "sample", "sleep-0", "helloworld", f.root)
			},
			red{CheckTrust: ReasonWrongIdentity},
		},
		"two trust domains": {
			func(t *testing.T, f *fakeMesh) {
				c := f.clusters["cluster1"]
				leaf := c.ca.issue(t, leafOptions{spiffe: "spiffe://example.org/ns/sample/sa/sleep"})
				c.secrets("sleep-0", c.ca.chain(leaf), f.root)
			},
			red{CheckTrust: ReasonTrustDomainMismatch},
		},
		"a second root, trusted everywhere": {
			func(t *testing.T, f *fakeMesh) {
				next := newAuthority(t, "next root", nil)
				for _, c := range f.clusters {
					c.reissue(t, c.ca, f.root, next)
				}
			},
			red{CheckTrust: ReasonRootsMixed}, // a warning: the verdict is asserted below
		},
		"no client pod": {
			func(_ *testing.T, f *fakeMesh) { f.clusters["cluster1"].removePod("sleep-0") },
			red{CheckTrust: ReasonWorkloadMissing, CheckCalls: ReasonClientMissing},
		},
		"no server pod": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster2"].removePod("helloworld-v1-0")
				for _, c := range f.clusters { // the endpoints follow
					for key := range c.http {
						if strings.HasSuffix(key, envoyClusters) {
							c.http[key] = clustersJSON(plan["cluster1"].podIP + ":5000")
							if c.name == "cluster2" {
								c.http[key] = clustersJSON(plan["cluster1"].eastWest + ":15443")
							}
						}
					}
				}
			},
			red{CheckTrust: ReasonWorkloadMissing, CheckDiscovery: ReasonWorkloadMissing},
		},

		"no remote secret": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster1"].http["istiod-0:8080/debug/clusterz"] = `[{"id": "cluster1", "secretName": "", "syncStatus": "synced"}]`
			},
			red{CheckDiscovery: ReasonRemoteMissing},
		},
		"remote not synced": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster1"].http["istiod-0:8080/debug/clusterz"] = clusterz("cluster1", "timeout")
			},
			red{CheckDiscovery: ReasonRemoteNotSynced},
		},
		"istiod does not answer": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster1"].httpError["istiod-0:8080/debug/clusterz"] = errors.New("connection refused")
			},
			red{CheckDiscovery: ReasonProbeFailed},
		},
		"proxy connected to no istiod": {
			func(_ *testing.T, f *fakeMesh) { f.clusters["cluster1"].http["istiod-0:8080/debug/syncz"] = "[]" },
			red{CheckDiscovery: ReasonProxyDisconnected},
		},
		"service missing in a caller's cluster": {
			func(_ *testing.T, f *fakeMesh) { f.clusters["cluster2"].service("helloworld").Name = "hello" },
			red{CheckTrust: ReasonWorkloadMissing, CheckDiscovery: ReasonServiceMissing},
		},
		"pods of another network held directly": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster1"].http["sleep-0"+envoyClusters] = clustersJSON(plan["cluster1"].podIP+":5000", plan["cluster2"].podIP+":5000")
			},
			red{CheckDiscovery: ReasonEndpointDirect},
		},
		"remote endpoint missing": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster1"].http["sleep-0"+envoyClusters] = clustersJSON(plan["cluster1"].podIP + ":5000")
			},
			red{CheckDiscovery: ReasonEndpointMissing},
		},
		"local endpoint missing": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster1"].http["sleep-0"+envoyClusters] = clustersJSON(plan["cluster2"].eastWest + ":15443")
			},
			red{CheckDiscovery: ReasonEndpointMissing},
		},
		"service unknown to a proxy": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster1"].http["sleep-0"+envoyClusters] = `{"cluster_statuses": []}`
			},
			red{CheckDiscovery: ReasonEndpointMissing},
		},
		"stale endpoint": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster1"].http["sleep-0"+envoyClusters] = clustersJSON(
					plan["cluster1"].podIP+":5000", plan["cluster2"].eastWest+":15443", "10.10.0.99:5000")
			},
			red{CheckDiscovery: ReasonEndpointUnexpected},
		},
		"configuration rejected": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster1"].http["istiod-0:15014/metrics"] = "pilot_total_xds_rejects{type=\"cds\"} 2\npilot_total_xds_rejects{type=\"lds\"} 1\n"
			},
			red{CheckDiscovery: ReasonConfigRejected},
		},

		"a version never answers": {
			func(_ *testing.T, f *fakeMesh) { f.clusters["cluster1"].exec = answering("v2") },
			red{CheckCalls: ReasonVersionUnreachable},
		},
		"a version fails": {
			func(_ *testing.T, f *fakeMesh) { f.clusters["cluster1"].exec = answering("v2", "") },
			red{CheckCalls: ReasonVersionUnreachable},
		},
		"some requests fail": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster1"].exec = answering("v2", "v1", "v2", "v1", "v2", "v1", "")
			},
			red{CheckCalls: ReasonRequestErrors},
		},
		"all requests fail": {
			func(_ *testing.T, f *fakeMesh) { f.clusters["cluster1"].exec = answering("") },
			red{CheckCalls: ReasonNoAnswer},
		},
		"an undeclared version": {
			func(_ *testing.T, f *fakeMesh) { f.clusters["cluster1"].exec = answering("v1", "v2", "v3") },
			red{CheckCalls: ReasonVersionUnexpected},
		},
		"records lost": {
			func(_ *testing.T, f *fakeMesh) {
				whole := answering("v1", "v2")
				f.clusters["cluster1"].exec = func(argv []string) (probe.Output, error) {
					out, err := whole(argv)
					out.Stdout = out.Stdout[:len(out.Stdout)/2]
					return out, err
				}
			},
			red{CheckCalls: ReasonRecordsLost},
		},
		"no curl in the client": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster1"].exec = func([]string) (probe.Output, error) {
					return probe.Output{Code: 127, Stderr: []byte("curl: not found")}, nil
				}
			},
			red{CheckCalls: ReasonProbeFailed},
		},
		"ingress answers from one version": {
			func(_ *testing.T, f *fakeMesh) {
				f.host.get[plan["cluster2"].ingress] = func() (int, string, error) { return 200, hello("v1"), nil }
			},
			red{CheckCalls: ReasonVersionUnreachable},
		},
		"ingress refuses": {
			func(_ *testing.T, f *fakeMesh) { delete(f.host.get, plan["cluster2"].ingress) },
			red{CheckCalls: ReasonNoAnswer},
		},
		"ingress answers 200 without a version": {
			func(_ *testing.T, f *fakeMesh) {
				f.host.get[plan["cluster2"].ingress] = func() (int, string, error) { return 200, "welcome", nil }
			},
			red{CheckCalls: ReasonNoAnswer},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFakeMesh(t)
			c.wreck(t, f)
			report := f.run(t, f.options())
			if diff := cmp.Diff(c.want, outcomes(report)); diff != "" {
				t.Errorf("red checks (-want +got):\n%s", diff)
				for _, r := range report.Checks {
					t.Logf("%s: %v", r.ID, r.Findings)
				}
			}
			verdict := Fail
			if name == "a second root, trusted everywhere" {
				verdict = Pass
			}
			if report.Verdict != verdict {
				t.Errorf("verdict %q, want %q", report.Verdict, verdict)
			}
			for _, r := range report.Checks {
				if r.Status == Failed && (r.Summary == "" || r.Hint == "") {
					t.Errorf("%s: summary %q, hint %q", r.ID, r.Summary, r.Hint)
				}
			}
		})
	}
}

// reissue gives every proxy and istiod of the cluster certificates of ca.
func (f *fakeCluster) reissue(t *testing.T, ca *authority, trusts ...*authority) {
	t.Helper()
	f.ca = ca
	f.chains["istiod-0"] = ca.chain(ca.issue(t, leafOptions{dns: "istiod.istio-system.svc"}))
	for _, p := range f.pods {
		if p.Name != "istiod-0" {
			f.identify(t, p.Namespace, p.Name, p.Spec.ServiceAccountName, trusts...)
		}
	}
}

func TestEveryReasonHasAHint(t *testing.T) {
	for _, c := range checks {
		for _, r := range c.reasons {
			if hints[r] == "" {
				t.Errorf("check %s: reason %s has no hint", c.id, r)
			}
		}
	}
}

// TestConvergence lets a check fail before it passes.
func TestConvergence(t *testing.T) {
	f := newFakeMesh(t)
	calls := 0
	good := f.clusters["cluster1"].exec
	f.clusters["cluster1"].exec = func(argv []string) (probe.Output, error) {
		if calls++; calls < 3 {
			return answering("")(argv)
		}
		return good(argv)
	}
	o := f.options()
	o.Timeouts.Calls = 10 * time.Second
	var retries []string
	o.Progress = func(e Event) {
		if e.Kind == EventRetry {
			retries = append(retries, e.Check)
		}
	}
	report := f.run(t, o)
	if got := report.Check(CheckCalls); got.Status != Passed || got.Attempts != 3 {
		t.Errorf("status %s after %d attempts", got.Status, got.Attempts)
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
	}{
		"checks left out": {
			func(o *Options) { o.Only = []string{CheckPlanes} },
			red{CheckTrust: ReasonNotSelected, CheckDiscovery: ReasonNotSelected, CheckCalls: ReasonNotSelected},
		},
		"nothing to call": {
			func(o *Options) { o.Workload = Workload{} },
			red{CheckDiscovery: ReasonNoWorkload, CheckCalls: ReasonNoWorkload},
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
			if report.Verdict != Partial {
				t.Errorf("verdict %q, want partial", report.Verdict)
			}
		})
	}
}

// TestHostWithoutRoute asks from inside the cluster where the addresses are
// not routable, and finds the same faults there.
func TestHostWithoutRoute(t *testing.T) {
	unroutable := fmt.Errorf("%w: i/o timeout", probe.ErrUnroutable)
	prepare := func(t *testing.T, ready, handshake, versions string) *fakeMesh {
		f := newFakeMesh(t)
		for key := range f.host.get {
			f.host.get[key] = func() (int, string, error) { return 0, "", unroutable }
		}
		for _, p := range plan {
			f.host.dial[p.eastWest+":15443"] = unroutable
		}
		for _, c := range f.clusters {
			c.exec = func(argv []string) (probe.Output, error) {
				line := strings.Join(argv, " ")
				switch {
				case strings.Contains(line, ":15021/"):
					return probe.Output{Stdout: []byte(ready)}, nil
				case strings.Contains(line, ":15443/"):
					return probe.Output{Code: 56, Stderr: []byte(handshake)}, nil
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
	for i := range o.Targets {
		o.Targets[i].Network, o.Targets[i].EastWestAddress = "network1", ""
	}
	if diff := cmp.Diff(red{CheckDiscovery: ReasonEndpointMissing}, outcomes(f.run(t, o))); diff != "" {
		t.Errorf("gateways on a flat network (-want +got):\n%s", diff)
	}
	for _, c := range f.clusters {
		for key := range c.http {
			if strings.HasSuffix(key, "clusters?format=json") {
				c.http[key] = clustersJSON(plan["cluster1"].podIP+":5000", plan["cluster2"].podIP+":5000")
			}
		}
	}
	if diff := cmp.Diff(red{}, outcomes(f.run(t, o))); diff != "" {
		t.Errorf("pods on a flat network (-want +got):\n%s", diff)
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
		"unknown check":        {func(o *Options) { o.Only = []string{"plane"} }, "planes trust discovery calls"},
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
