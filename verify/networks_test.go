package verify

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/mesh/topology"
)

// TestNetworks breaks what only check "networks" looks at.
func TestNetworks(t *testing.T) {
	const envoyClusters = ":15000/clusters?format=json"
	v1, v2 := plan["cluster2"].podIP+":5000", plan["cluster1"].podIP+":5000"
	cases := map[string]struct {
		flat  bool
		wreck func(*fakeMesh, *Options)
		want  red
		says  string // part of the summary
	}{
		"two networks": {false, func(*fakeMesh, *Options) {}, red{}, "2 paths between networks: closed"},
		"one network":  {true, func(*fakeMesh, *Options) {}, red{}, "2 paths within a network: pod to pod, no gateway"},

		"a route between two networks": {
			false, func(f *fakeMesh, _ *Options) { f.clusters["cluster1"].reach[v1] = "helloworld-v1-0" },
			red{CheckNetworks: ReasonNotIsolated},
			"connects to pod helloworld-v1-0 of cluster2",
		},
		"refused, not silent": {
			false, func(f *fakeMesh, _ *Options) {
				f.clusters["cluster1"].proxy = func(argv []string) (mesh.Output, bool) {
					return mesh.Output{Code: 7, Stdout: []byte("\n#connect 0.000000 000\n"), Stderr: []byte("curl: (7) No route to host")},
						strings.Contains(strings.Join(argv, " "), v1)
				}
			}, red{}, "2 paths between networks: closed",
		},
		"another pod has the address here": {
			false, func(f *fakeMesh, _ *Options) { f.clusters["cluster1"].reach[v1] = "billing-0" },
			red{},
			"2 paths between networks: closed",
		},
		"a proxy on the way out answers for everyone": {
			false, func(f *fakeMesh, _ *Options) { f.clusters["cluster1"].reach[v1] = "" },
			red{},
			"2 paths between networks: closed",
		},
		"connected, then closed": {
			false, func(f *fakeMesh, _ *Options) {
				f.clusters["cluster1"].proxy = func(argv []string) (mesh.Output, bool) {
					return mesh.Output{Code: 56, Stdout: []byte("\n#connect 0.000400 000\n"), Stderr: []byte("curl: (56) Connection reset by peer")},
						strings.Contains(strings.Join(argv, " "), v1)
				}
			}, red{CheckNetworks: ReasonNotIsolated}, "nothing tells who answered",
		},
		"a nameless pod of its own answers": {
			false, func(f *fakeMesh, _ *Options) {
				c := f.clusters["cluster1"]
				c.reach[v1] = ""
				c.pods = append(c.pods, corev1.Pod{Status: corev1.PodStatus{PodIP: plan["cluster2"].podIP}})
			}, red{}, "2 paths between networks: closed",
		},
		"the client reaches nothing at all": {
			false, func(f *fakeMesh, _ *Options) { clear(f.clusters["cluster1"].reach) },
			red{CheckNetworks: ReasonControlFailed},
			"of its own cluster",
		},
		"curl cannot even start to connect": {
			false, func(f *fakeMesh, _ *Options) {
				f.clusters["cluster1"].proxy = func(argv []string) (mesh.Output, bool) {
					return mesh.Output{Code: 6, Stdout: []byte("\n#connect 0.000000 000\n"), Stderr: []byte("curl: (6) Could not resolve host")},
						strings.Contains(strings.Join(argv, " "), v1)
				}
			}, red{CheckNetworks: ReasonProbeFailed}, "Could not resolve host",
		},
		"the gateway carried nothing": {
			false, func(f *fakeMesh, _ *Options) {
				c := f.clusters["cluster2"]
				c.http["istio-eastwestgateway-0"+envoyClusters] = `{"cluster_statuses": []}`
				c.peers = procTable("10.10.0.99")
			}, red{CheckNetworks: ReasonPathUnproven}, "no gateway of network2 had a connection",
		},
		"the gateway counts anew, its connections live on": {
			false, func(f *fakeMesh, _ *Options) {
				f.clusters["cluster2"].http["istio-eastwestgateway-0"+envoyClusters] = `{"cluster_statuses": []}`
			}, red{}, "2 paths between networks: closed",
		},
		"the gateway cannot be asked": {
			false, func(f *fakeMesh, _ *Options) {
				delete(f.clusters["cluster2"].http, "istio-eastwestgateway-0"+envoyClusters)
			}, red{CheckNetworks: ReasonProbeFailed}, "cannot be asked",
		},
		"a rule keeps calls at home": {
			false, func(f *fakeMesh, o *Options) {
				o.Workload.Traffic = topology.Rule{Mode: "failover", Failover: map[string]string{"region1": "region2", "region2": "region1"}}
				for name, c := range f.clusters {
					version := plan[name].version
					c.exec = answering(version)
					f.host.get[plan[name].ingress] = func() (int, string, error) { return 200, hello(version), nil }
				}
			}, red{}, "2 paths between networks: closed",
		},

		"no route to the other's pods": {
			true, func(f *fakeMesh, _ *Options) { delete(f.clusters["cluster1"].reach, v1) },
			red{CheckNetworks: ReasonPodUnreachable},
			"cannot connect to pod helloworld-v1-0 of cluster2",
		},
		"the route leads elsewhere": {
			true, func(f *fakeMesh, _ *Options) { f.clusters["cluster1"].reach[v1] = "billing-0" },
			red{CheckNetworks: ReasonPodUnreachable},
			"another pod answers",
		},
		"callers are masqueraded": {
			true, func(f *fakeMesh, _ *Options) { f.clusters["cluster2"].peers = procTable(plan["cluster1"].hostIP) },
			red{CheckNetworks: ReasonCallerHidden},
			"under their node's address 10.192.0.2",
		},
		"no table of connections": {
			true, func(f *fakeMesh, _ *Options) { f.clusters["cluster2"].proxy = noCat },
			red{CheckNetworks: ReasonPathUnproven},
			"the client of cluster1 keeps 1 connection open",
		},
		"an empty table": {
			true, func(f *fakeMesh, _ *Options) { f.clusters["cluster2"].peers = "" },
			red{CheckNetworks: ReasonPathUnproven},
			"the client of cluster1 keeps 1 connection open",
		},
		"the application's container has the table": {
			true, func(f *fakeMesh, _ *Options) {
				c := f.clusters["cluster2"]
				c.proxy = noCat
				c.app = func([]string) mesh.Output { return mesh.Output{Stdout: []byte(c.peers)} }
			}, red{}, "2 paths within a network: pod to pod, no gateway",
		},
		"somebody else is connected": {
			true, func(f *fakeMesh, _ *Options) { f.clusters["cluster2"].peers = procTable("10.10.0.99") },
			red{CheckNetworks: ReasonPathUnproven},
			"no server has one of its address 10.10.0.5",
		},
		"no connection is kept": {
			true, func(f *fakeMesh, _ *Options) {
				for _, c := range f.clusters {
					c.http["sleep-0"+envoyClusters] = strings.ReplaceAll(c.http["sleep-0"+envoyClusters], `"value": "1", "name": "cx_active"`, `"value": "0", "name": "cx_active"`)
					c.peers = procTable("10.10.0.3")
				}
			}, red{}, "2 paths not seen by the servers",
		},
		"its own network through a gateway": {
			true, func(f *fakeMesh, o *Options) {
				c := f.clusters["cluster1"]
				c.flat = false // counted at the gateway
				o.Targets[1].EastWestAddress = plan["cluster2"].eastWest
				c.http["sleep-0"+envoyClusters] = clustersJSON(v2, plan["cluster2"].eastWest+":15443")
				f.clusters["cluster2"].http["istio-eastwestgateway-0"+envoyClusters] = `{"cluster_statuses": []}`
			}, red{CheckDiscovery: ReasonEndpointMissing, CheckNetworks: ReasonGatewayOnPath}, "through the gateway 10.192.8.33:15443",
		},
		"a gateway carries calls in a mesh of one network": {
			true, func(f *fakeMesh, o *Options) {
				o.Targets[1].EastWestAddress = plan["cluster2"].eastWest
				f.clusters["cluster2"].http["istio-eastwestgateway-0"+envoyClusters] = clusterJSON(o.Workload.Passthrough(), v1)
			}, red{CheckNetworks: ReasonGatewayOnPath}, "carries 1 connection",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFakeMesh(t)
			o := f.options()
			if c.flat {
				f.join(&o)
			}
			c.wreck(f, &o)
			report := f.run(t, o)
			got := report.Check(CheckNetworks)
			if diff := cmp.Diff(c.want, outcomes(report)); diff != "" || !strings.Contains(got.Summary, c.says) {
				t.Errorf("summary %q, want %q in it; red checks (-want +got):\n%s", got.Summary, c.says, diff)
				for _, r := range report.Checks {
					t.Logf("%s: %v", r.ID, r.Findings)
				}
			}
		})
	}
}

// noCat is a proxy whose image has no cat.
func noCat(argv []string) (mesh.Output, bool) { return mesh.Output{Code: 127}, argv[0] == "cat" }

// TestRemediesOfRoutes: a refresh does not repeat what a command did on a node, so
// that neither the remedies nor the documentation name it.
func TestRemediesOfRoutes(t *testing.T) {
	const command = "docker exec NODE systemctl enable --now meshwright-routes"
	document, err := os.ReadFile("../docs/checks.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range []Reason{ReasonPodUnreachable, ReasonCallerHidden} {
		if r := networks.remedy(reason); r.Command != command || r.Operation != "" {
			t.Errorf("%s: %+v", reason, r)
		}
		_, row, _ := strings.Cut(string(document), "\n| `"+string(reason)+"` |")
		row, _, _ = strings.Cut(row, "\n")
		if !strings.Contains(row, "`"+command+"`") || strings.Contains(row, "refresh") {
			t.Errorf("docs/checks.md: %s: %q", reason, row)
		}
	}
}

func TestOneClusterHasNoNetworksToTellApart(t *testing.T) {
	f := newFakeMesh(t)
	o := f.options()
	o.Targets, o.Only = o.Targets[:1], []string{CheckNetworks}
	delete(o.Workload.Versions, "cluster2")
	if got := f.run(t, o).Check(CheckNetworks); got.Status != Passed || !strings.Contains(got.Summary, "one cluster") {
		t.Errorf("%s: %s", got.Status, got.Summary)
	}
}

// TestDistrolessProxy asks through the proxy where its container has no curl.
func TestDistrolessProxy(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want red
	}{
		"not connected": {"upstream connect error or disconnect/reset before headers. reset reason: connection timeout\n#connect 0.0001 503\n", red{}},
		"connected":     {hello("v1") + "\n#connect 0.0001 200\n", red{CheckNetworks: ReasonNotIsolated}},
		"reset later":   {"upstream connect error or disconnect/reset before headers. reset reason: connection termination\n#connect 0.0001 503\n", red{CheckNetworks: ReasonNotIsolated}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeMesh(t)
			cluster := f.clusters["cluster1"]
			cluster.proxy = func(argv []string) (mesh.Output, bool) { return mesh.Output{Code: 127}, argv[0] == "curl" }
			normal := cluster.exec
			cluster.exec = func(argv []string) (mesh.Output, error) {
				line := strings.Join(argv, " ")
				switch {
				case !strings.Contains(line, "#connect"):
					return normal(argv)
				case strings.Contains(line, plan["cluster1"].podIP):
					return mesh.Output{Stdout: []byte(hello("v2") + "\n#connect 0.0001 200\n")}, nil
				}
				return mesh.Output{Stdout: []byte(c.body)}, nil
			}
			if diff := cmp.Diff(c.want, outcomes(f.run(t, f.options()))); diff != "" {
				t.Errorf("red checks (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConnected(t *testing.T) {
	out := func(code int, line, stderr string) mesh.Output {
		return mesh.Output{Code: code, Stdout: []byte("body\n" + line + "\n"), Stderr: []byte(stderr)}
	}
	for name, c := range map[string]struct {
		output mesh.Output
		want   bool
		fails  bool
	}{
		"answered":                    {out(0, "#connect 0.000210 200", ""), true, false},
		"answered with an error":      {out(0, "#connect 0.000210 503", ""), true, false},
		"connected, then reset":       {out(56, "#connect 0.000210 000", "curl: (56) Recv failure: Connection reset by peer"), true, false},
		"connected, then silence":     {out(28, "#connect 0.000210 000", "curl: (28) Operation timed out"), true, false},
		"connected, closed":           {out(52, "#connect 0.000210 000", "curl: (52) Empty reply from server"), true, false},
		"refused":                     {out(7, "#connect 0.000000 000", "curl: (7) Connection refused"), false, false},
		"no route":                    {out(7, "#connect 0.000000 000", "curl: (7) No route to host"), false, false},
		"silence":                     {out(28, "#connect 0.000000 000", "curl: (28) Connection timed out"), false, false},
		"no name":                     {out(6, "#connect 0.000000 000", "curl: (6) Could not resolve host"), false, true},
		"a proxy's name":              {out(5, "#connect 0.000000 000", "curl: (5) Could not resolve proxy"), false, true},
		"no memory":                   {out(27, "#connect 0.000000 000", ""), false, true},
		"killed before it said a bit": {mesh.Output{Code: 137}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, detail, err := connected(c.output)
			if got != c.want || (err != nil) != c.fails {
				t.Errorf("got %t, %q, %v", got, detail, err)
			}
		})
	}
}
