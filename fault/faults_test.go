package fault

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttest "k8s.io/client-go/testing"

	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/mesh/topology"
)

// TestAll: no two faults have the same name, and each says what it is.
func TestAll(t *testing.T) {
	names := map[string]bool{}
	for _, f := range All() {
		if names[f.Name] {
			t.Errorf("%s is listed twice", f.Name)
		}
		names[f.Name] = true
		if got, err := Named(f.Name); err != nil || got.Title != f.Title || f.Title == "" || len(f.Needs) == 0 {
			t.Errorf("%s: %+v, %v", f.Name, got, err)
		}
	}
	if _, err := Named("none"); err == nil {
		t.Error("there is a fault none")
	}
}

// TestParts: who breaks and who notices, and which faults a mesh can have at all.
func TestParts(t *testing.T) {
	target := func(name, plane, network, eastWest string) mesh.Cluster {
		return mesh.Cluster{Cluster: topology.Cluster{Name: name, ControlPlane: plane, Network: network}, EastWestAddress: eastWest, Config: &rest.Config{}}
	}
	primaries := []string{
		"remote-secret-loopback", "another-root", "istiod-unready", "region-labels-missing",
		"wrong-weights", "outlier-detection-missing", "mtls-permissive",
	}
	networks := []string{"wrong-network-label", "cross-network-gateway-deleted"}
	apart, behind := []string{"route-between-networks"}, []string{"east-west-gateway-gone"}
	flat, remote := []string{"pod-route-gone", "callers-masqueraded"}, []string{"istiod-hidden"}
	cases := map[string]struct {
		targets                 []mesh.Cluster
		wantWitness, wantVictim string
		plays                   []string
	}{
		"the article's": {
			[]mesh.Cluster{target("a", "a", "n1", "10.0.0.1"), target("b", "b", "n2", "10.0.0.2")},
			"a", "b", slices.Concat(primaries, networks, apart, behind),
		},
		"three": {
			[]mesh.Cluster{target("a", "a", "n1", "10.0.0.1"), target("b", "b", "n2", "10.0.0.2"), target("c", "c", "n3", "10.0.0.3")},
			"a", "b", slices.Concat(primaries, networks, apart), // c serves what b does
		},
		"flat": {
			[]mesh.Cluster{target("a", "a", "n1", ""), target("b", "b", "n1", "")}, "a", "b", slices.Concat(primaries, flat),
		},
		"one control plane": {
			[]mesh.Cluster{target("a", "a", "n1", "10.0.0.1"), target("b", "a", "n2", "10.0.0.2")}, "a", "", slices.Concat(apart, behind, remote),
		},
		"flat, one control plane": {
			[]mesh.Cluster{target("a", "a", "n1", "10.0.0.1"), target("b", "a", "n1", "")}, "a", "", slices.Concat(flat, remote),
		},
		"two on one network and a remote on another": {
			[]mesh.Cluster{target("a", "a", "n1", "10.0.0.1"), target("b", "b", "n1", "10.0.0.2"), target("c", "a", "n2", "10.0.0.3")},
			"a", "b", slices.Concat(primaries, apart, flat, remote),
		},
		"alone": {[]mesh.Cluster{target("a", "a", "n1", "")}, "a", "", nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := &Subject{
				Workload: mesh.Workload{Versions: map[string][]string{"a": {"v2"}, "b": {"v1"}, "c": {"v1"}}},
				NodeExec: func(context.Context, string, ...string) ([]byte, error) { return nil, nil },
			}
			for _, cluster := range c.targets {
				s.Members = append(s.Members, &mesh.Member{Cluster: cluster})
			}
			of := func(m *member) string {
				if m == nil {
					return ""
				}
				return m.Name
			}
			if of(s.witness()) != c.wantWitness || of(s.victim()) != c.wantVictim {
				t.Errorf("witness %q, victim %q", of(s.witness()), of(s.victim()))
			}
			var plays []string
			for _, f := range All() {
				if f.Lacks(s) == "" {
					plays = append(plays, f.Name)
				}
			}
			slices.Sort(plays)
			slices.Sort(c.plays)
			if diff := cmp.Diff(c.plays, plays, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
			s.NodeExec = nil
			for _, f := range All() {
				if onNodes := slices.ContainsFunc(f.Needs, func(n Need) bool { return n.Name == "Nodes" }); onNodes && f.Lacks(s) == "" {
					t.Errorf("%s needs no nodes", f.Name)
				}
			}
		})
	}
}

// TestRegions: a fault of a region needs another one that can take over.
func TestRegions(t *testing.T) {
	s := &Subject{Workload: mesh.Workload{Versions: map[string][]string{"a": {"v1"}, "b": {"v1"}}}}
	for _, name := range []string{"a", "b"} {
		s.Members = append(s.Members, &mesh.Member{Cluster: mesh.Cluster{Cluster: topology.Cluster{Name: name}}})
	}
	for _, name := range []string{"drain", "graceful", "kill"} {
		f, err := Named(name)
		if err != nil {
			t.Fatal(err)
		}
		for regions, want := range map[[2]string]string{
			{"", ""}: "cluster a has none", {"r1", "r1"}: "two regions", {"r1", "r2"}: "",
		} {
			s.Members[0].Region, s.Members[1].Region = regions[0], regions[1]
			if got := f.Lacks(s); !strings.Contains(got, want) || (got == "") != (want == "") {
				t.Errorf("%s in %v: %q, want %q", name, regions, got, want)
			}
		}
	}
}

// TestRoutesOfNodes plays the faults that enter nodes, on recorded commands.
func TestRoutesOfNodes(t *testing.T) {
	node := func(name, pods, address string) *corev1.Node {
		return &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{PodCIDR: pods},
			Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeHostName, Address: name}, {Type: corev1.NodeInternalIP, Address: "fc00::2"}, {Type: corev1.NodeInternalIP, Address: address},
			}},
		}
	}
	for name, c := range map[string]struct {
		network string // of b
		fault   Fault
		want    []string
	}{
		"between networks": {"n2", routeBetweenNetworks, []string{
			"a-1: ip route add 10.11.0.0/24 via 10.192.0.4", "a-2: ip route add 10.11.0.0/24 via 10.192.0.4",
			"a-1: ip route add 10.11.1.0/24 via 10.192.0.5", "a-2: ip route add 10.11.1.0/24 via 10.192.0.5",
			"a-1: ip route del 10.11.0.0/24", "a-2: ip route del 10.11.0.0/24", "a-1: ip route del 10.11.1.0/24", "a-2: ip route del 10.11.1.0/24",
		}},
		"within one": {"n1", podRouteGone, []string{
			"a-1: systemctl stop meshwright-routes.service", "a-2: systemctl stop meshwright-routes.service",
			"a-1: ip route show to match 10.11.0.0", "a-2: ip route show to match 10.11.0.0", "a-1: ip route show to match 10.11.1.0", "a-2: ip route show to match 10.11.1.0",
			"a-1: systemctl start meshwright-routes.service", "a-2: systemctl start meshwright-routes.service",
		}},
		"masqueraded": {"n1", callersMasqueraded, []string{
			"a-1: systemctl stop meshwright-routes.service", "a-2: systemctl stop meshwright-routes.service", "new pod sleep",
			"a-1: [ ! -e /etc/kindnet/meshwright.away ]", "a-2: [ ! -e /etc/kindnet/meshwright.away ]", "new pod sleep",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var ran []string
			caller := corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: "sample", Name: "sleep", UID: "0", Labels: map[string]string{"app": "sleep"}},
				Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
			}
			a := fake.NewClientset(&caller)
			a.PrependReactor("delete", "pods", func(action clienttest.Action) (bool, runtime.Object, error) {
				ran = append(ran, "new pod "+action.(clienttest.DeleteAction).GetName())
				fresh := caller.DeepCopy()
				fresh.UID = types.UID(strconv.Itoa(len(ran)))
				return true, nil, a.Tracker().Update(corev1.SchemeGroupVersion.WithResource("pods"), fresh, "sample")
			})
			s := &Subject{
				Workload: mesh.Workload{Namespace: "sample"},
				Members: []*mesh.Member{
					{Cluster: mesh.Cluster{Cluster: topology.Cluster{Name: "a", Network: "n1"}, Nodes: []string{"a-1", "a-2"}}, Kubernetes: a},
					{
						Cluster:    mesh.Cluster{Cluster: topology.Cluster{Name: "b", Network: c.network}},
						Kubernetes: fake.NewClientset(node("b-1", "10.11.0.0/24", "10.192.0.4"), node("b-2", "10.11.1.0/24", "10.192.0.5")),
					},
				},
				NodeExec: func(_ context.Context, node string, argv ...string) ([]byte, error) {
					line := strings.Join(argv, " ")
					if argv[0] == "sh" { // only what is done matters here
						line, _, _ = strings.Cut(argv[2], "\n")
						line, _, _ = strings.Cut(line, " |")
						line, _, _ = strings.Cut(line, " 2>")
						cmd := exec.Command("sh", "-n")
						cmd.Stdin = strings.NewReader(argv[2])
						if out, err := cmd.CombinedOutput(); err != nil {
							t.Errorf("%s: %v: %s", argv[2], err, out)
						}
					}
					ran = append(ran, node+": "+line)
					return nil, nil
				},
			}
			r, err := c.fault.Prepare(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(c.fault.Inject(t.Context(), s, r), c.fault.Restore(t.Context(), s, r)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, ran); diff != "" {
				t.Errorf("commands (-want +got):\n%s", diff)
			}
		})
	}
}

// TestGateway finds the Gateway object by what it opens.
func TestGateway(t *testing.T) {
	object := func(name, mode string, port int64) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": map[string]any{"namespace": system, "name": name},
			"spec": map[string]any{"servers": []any{map[string]any{
				"port": map[string]any{"number": port}, "tls": map[string]any{"mode": mode},
			}}},
		}}
	}
	m := &member{&mesh.Member{
		Cluster: mesh.Cluster{Cluster: topology.Cluster{Name: "a"}},
		Dynamic: dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{gateways: "GatewayList"}),
	}}
	for _, o := range []*unstructured.Unstructured{
		object("cross-network-gateway", "AUTO_PASSTHROUGH", 15443), object("istiod-gateway", "PASSTHROUGH", mesh.IstiodXDSPort),
	} {
		if _, err := m.Dynamic.Resource(gateways).Namespace(system).Create(t.Context(), o, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for name, is := range map[string]func(int64, string) bool{
		"cross-network-gateway": func(_ int64, mode string) bool { return mode == "AUTO_PASSTHROUGH" },
		"istiod-gateway":        func(port int64, _ string) bool { return port == mesh.IstiodXDSPort },
	} {
		if g, err := m.gateway(t.Context(), is); err != nil || g.GetName() != name {
			t.Errorf("%v, %v, want %s", g, err, name)
		}
	}
	if _, err := m.gateway(t.Context(), func(port int64, _ string) bool { return port == 80 }); err == nil {
		t.Error("found a Gateway that is not there")
	}
}

// TestStrangerCA: the bundle is complete and consistent, so that what turns
// red is the foreign root and not a broken secret; no two are alike.
func TestStrangerCA(t *testing.T) {
	one, err := strangerCA()
	if err != nil {
		t.Fatal(err)
	}
	two, err := strangerCA()
	if err != nil {
		t.Fatal(err)
	}
	if string(one["root-cert.pem"]) == string(two["root-cert.pem"]) {
		t.Error("two strangers share a root")
	}
	parse := func(text []byte) *x509.Certificate {
		block, _ := pem.Decode(text)
		if block == nil {
			t.Fatalf("no PEM in %q", text)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ca, root := parse(one["ca-cert.pem"]), parse(one["root-cert.pem"])
	if err := ca.CheckSignatureFrom(root); err != nil {
		t.Errorf("intermediate: %v", err)
	}
	block, _ := pem.Decode(one["ca-key.pem"])
	if block == nil {
		t.Fatal("no key")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	signer, ok := key.(*ecdsa.PrivateKey)
	if !ok || !signer.PublicKey.Equal(ca.PublicKey) {
		t.Error("the key is not the intermediate's")
	}
	if diff := cmp.Diff(string(one["ca-cert.pem"])+string(one["root-cert.pem"]), string(one["cert-chain.pem"])); diff != "" {
		t.Errorf("chain (-want +got):\n%s", diff)
	}
}
