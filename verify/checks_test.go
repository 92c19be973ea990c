package verify

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/meshwright/meshwright/mesh"
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
	if report.Verdict != "pass" {
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
			red{CheckControlPlane: ReasonControlPlaneMissing},
		},
		"istiod not available": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster2"].deployment("istiod").Status.AvailableReplicas = 0
			},
			red{CheckControlPlane: ReasonControlPlaneUnavailable},
		},
		"istiod's last change not observed": {
			func(_ *testing.T, f *fakeMesh) { f.clusters["cluster2"].deployment("istiod").Generation++ },
			red{CheckControlPlane: ReasonControlPlaneUnavailable},
		},
		"istiod's new pods never come": {
			func(_ *testing.T, f *fakeMesh) {
				s := &f.clusters["cluster2"].deployment("istiod").Status
				s.Replicas, s.UpdatedReplicas = 2, 1
			},
			red{CheckControlPlane: ReasonControlPlaneUnavailable},
		},
		"the workload's new pods never come": {
			func(_ *testing.T, f *fakeMesh) {
				c := f.clusters["cluster2"]
				d := *c.deployment("istiod")
				d.Namespace, d.Name, d.Labels = "sample", "helloworld-v1", nil
				d.Spec.Template.Labels = map[string]string{"app": "helloworld"}
				d.Status.Replicas = 2
				c.deployments = append(c.deployments, d)
			},
			red{CheckDiscovery: ReasonWorkloadNotRolledOut},
		},
		"ingress gateway not installed": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster1"].deployment("istio-ingressgateway").Labels = nil
			},
			red{CheckControlPlane: ReasonGatewayMissing},
		},
		"east-west gateway scaled to nothing": {
			func(_ *testing.T, f *fakeMesh) {
				d := f.clusters["cluster2"].deployment("istio-eastwestgateway")
				none := int32(0)
				d.Spec.Replicas, d.Status.AvailableReplicas = &none, 0 // Available stays True, as Kubernetes has it
			},
			red{CheckControlPlane: ReasonGatewayUnavailable},
		},
		"no address from the load balancer": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster1"].service("istio-ingressgateway").Status = corev1.ServiceStatus{}
			},
			red{CheckControlPlane: ReasonAddressPending},
		},
		"another address than planned": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster1"].service("istio-ingressgateway").Status.LoadBalancer.Ingress[0].IP = "10.192.8.9"
			},
			red{CheckControlPlane: ReasonAddressMismatch},
		},
		"address refuses": {
			func(_ *testing.T, f *fakeMesh) { delete(f.host.get, plan["cluster2"].eastWest+":15021") },
			red{CheckControlPlane: ReasonAddressSilent},
		},
		"gateway not ready behind its address": {
			func(_ *testing.T, f *fakeMesh) {
				f.host.get[plan["cluster2"].eastWest+":15021"] = func() (int, string, error) { return 503, "", nil }
			},
			red{CheckControlPlane: ReasonAddressSilent},
		},
		"cross-network port closed": {
			func(_ *testing.T, f *fakeMesh) {
				f.host.dial[plan["cluster2"].eastWest+":15443"] = errors.New("connection refused")
			},
			red{CheckControlPlane: ReasonCrossNetworkPortClosed},
		},
		"cluster down": {
			func(_ *testing.T, f *fakeMesh) { f.clusters["cluster2"].down = errors.New("connection refused") },
			red{
				CheckControlPlane: ReasonClusterUnreachable, CheckTrust: ReasonClusterUnreachable,
				CheckDiscovery: ReasonClusterUnreachable, CheckConnectivity: ReasonClusterUnreachable,
				CheckNetworks: ReasonClusterUnreachable,
			},
		},
		"a defect of a check": {
			func(_ *testing.T, f *fakeMesh) { f.clusters["cluster1"].panics = true },
			red{CheckControlPlane: ReasonPanicked, CheckDiscovery: ReasonPanicked},
		},

		"client's proxy does not answer": {
			func(_ *testing.T, f *fakeMesh) {
				delete(f.clusters["cluster1"].http, "sleep-0"+envoySecrets)
				delete(f.clusters["cluster1"].http, "sleep-0"+envoyClusters)
			},
			red{CheckTrust: ReasonProbeFailed, CheckDiscovery: ReasonProbeFailed, CheckNetworks: ReasonProbeFailed},
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
			red{CheckTrust: ReasonWorkloadMissing, CheckConnectivity: ReasonClientMissing, CheckNetworks: ReasonClientMissing},
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
			red{CheckTrust: ReasonWorkloadMissing, CheckDiscovery: ReasonWorkloadMissing, CheckNetworks: ReasonPathUnproven},
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
			red{CheckTrust: ReasonWorkloadMissing, CheckDiscovery: ReasonServiceMissing, CheckNetworks: ReasonPathUnproven},
		},
		"pods of another network held directly": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster1"].http["sleep-0"+envoyClusters] = clustersJSON(plan["cluster1"].podIP+":5000", plan["cluster2"].podIP+":5000")
			},
			red{CheckDiscovery: ReasonEndpointDirect, CheckNetworks: ReasonGatewayBypassed},
		},
		"remote endpoint missing": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster1"].http["sleep-0"+envoyClusters] = clustersJSON(plan["cluster1"].podIP + ":5000")
			},
			red{CheckDiscovery: ReasonEndpointMissing, CheckNetworks: ReasonPathUnproven},
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
			red{CheckDiscovery: ReasonEndpointMissing, CheckNetworks: ReasonPathUnproven},
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
				f.clusters["cluster1"].http["istiod-0:8080/debug/syncz"] = strings.Replace(f.clusters["cluster1"].http["istiod-0:8080/debug/syncz"],
					`"acked": "n1"`, `"acked": "n0", "lastError": "Error adding/updating cluster(s) x: bad value"`, 1)
			},
			red{CheckDiscovery: ReasonConfigRejected},
		},
		"a gateway's Service names another network": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster2"].service("istio-eastwestgateway").Labels["topology.istio.io/network"] = "network9"
			},
			red{CheckDiscovery: ReasonGatewayNetworkWrong},
		},

		"a version never answers": {
			func(_ *testing.T, f *fakeMesh) { f.clusters["cluster1"].exec = answering("v2") },
			red{CheckConnectivity: ReasonVersionUnreachable, CheckNetworks: ReasonPathUnproven},
		},
		"a version fails": {
			func(_ *testing.T, f *fakeMesh) { f.clusters["cluster1"].exec = answering("v2", "") },
			red{CheckConnectivity: ReasonVersionUnreachable, CheckNetworks: ReasonPathUnproven},
		},
		"some requests fail": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster1"].exec = answering("v2", "v1", "v2", "v1", "v2", "v1", "")
			},
			red{CheckConnectivity: ReasonRequestErrors},
		},
		"all requests fail": {
			func(_ *testing.T, f *fakeMesh) { f.clusters["cluster1"].exec = answering("") },
			red{CheckConnectivity: ReasonNoAnswer, CheckNetworks: ReasonPathUnproven},
		},
		"an undeclared version": {
			func(_ *testing.T, f *fakeMesh) { f.clusters["cluster1"].exec = answering("v1", "v2", "v3") },
			red{CheckConnectivity: ReasonVersionUnexpected},
		},
		"records lost": {
			func(_ *testing.T, f *fakeMesh) {
				whole := answering("v1", "v2")
				f.clusters["cluster1"].exec = func(argv []string) (mesh.Output, error) {
					out, err := whole(argv)
					out.Stdout = out.Stdout[:len(out.Stdout)/2]
					return out, err
				}
			},
			red{CheckConnectivity: ReasonRecordsLost},
		},
		"no curl in the client": {
			func(_ *testing.T, f *fakeMesh) {
				f.clusters["cluster1"].exec = func([]string) (mesh.Output, error) {
					return mesh.Output{Code: 127, Stderr: []byte("curl: not found")}, nil
				}
			},
			red{CheckConnectivity: ReasonProbeFailed, CheckNetworks: ReasonProbeFailed},
		},
		"ingress answers from one version": {
			func(_ *testing.T, f *fakeMesh) {
				f.host.get[plan["cluster2"].ingress] = func() (int, string, error) { return 200, hello("v1"), nil }
			},
			red{CheckConnectivity: ReasonVersionUnreachable},
		},
		"ingress refuses": {
			func(_ *testing.T, f *fakeMesh) { delete(f.host.get, plan["cluster2"].ingress) },
			red{CheckConnectivity: ReasonNoAnswer},
		},
		"ingress answers 200 without a version": {
			func(_ *testing.T, f *fakeMesh) {
				f.host.get[plan["cluster2"].ingress] = func() (int, string, error) { return 200, "welcome", nil }
			},
			red{CheckConnectivity: ReasonNoAnswer},
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
			verdict := "fail"
			if name == "a second root, trusted everywhere" {
				verdict = "pass"
			}
			if report.Verdict != verdict {
				t.Errorf("verdict %q, want %q", report.Verdict, verdict)
			}
			for _, r := range report.Checks {
				if r.Status == Failed && (r.Summary == "" || r.Remedy.String() == "") {
					t.Errorf("%s: summary %q, remedy %+v", r.ID, r.Summary, r.Remedy)
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

// TestRightMeshes: what is unusual and right passes.
func TestRightMeshes(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *fakeMesh){
		"configuration rejected and withdrawn": func(_ *testing.T, f *fakeMesh) {
			f.clusters["cluster1"].http["istiod-0:15014/metrics"] = "pilot_total_xds_rejects{type=\"cds\"} 2\npilot_total_xds_rejects{type=\"lds\"} 1\n"
		},
		"a gateway of the user's with the same label": func(_ *testing.T, f *fakeMesh) {
			c := f.clusters["cluster1"]
			s, d := *c.service("istio-ingressgateway"), *c.deployment("istio-ingressgateway")
			s.Namespace, d.Namespace = "web", "web"
			s.Status = corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: []corev1.LoadBalancerIngress{{IP: "10.192.8.7"}}}}
			d.Status.AvailableReplicas = 0
			c.services, c.deployments = append(c.services, s), append(c.deployments, d)
		},
		"a second Service of the east-west gateway": func(_ *testing.T, f *fakeMesh) {
			c := f.clusters["cluster2"]
			s := *c.service("istio-eastwestgateway")
			s.Name = "istio-eastwestgateway-2"
			s.Status = corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: []corev1.LoadBalancerIngress{{IP: "10.192.8.40"}}}}
			c.services = append(c.services, s)
			for _, p := range f.clusters["cluster1"].pods {
				if p.Labels["istio"] == "" {
					f.clusters["cluster1"].http[p.Name+":15000/clusters?format=json"] = clustersJSON(
						plan["cluster1"].podIP+":5000", plan["cluster2"].eastWest+":15443", "10.192.8.40:15443")
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeMesh(t)
			change(t, f)
			report := f.run(t, f.options())
			if diff := cmp.Diff(red{}, outcomes(report)); diff != "" || report.Verdict != "pass" {
				t.Errorf("verdict %s; red checks (-want +got):\n%s", report.Verdict, diff)
				for _, r := range report.Checks {
					t.Logf("%s: %v", r.ID, r.Findings)
				}
			}
		})
	}
}
