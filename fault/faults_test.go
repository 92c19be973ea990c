package fault

import (
	"github.com/meshwright/meshwright/mesh/topology"

	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
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
	"github.com/meshwright/meshwright/verify"
)

// TestMatrixIsComplete: every fault declares every check, turns at least one
// red, and no two have the same name.
func TestMatrixIsComplete(t *testing.T) {
	names := map[string]bool{}
	for _, f := range All() {
		if names[f.Name] {
			t.Errorf("%s is listed twice", f.Name)
		}
		names[f.Name] = true
		red := 0
		for _, id := range verify.ReadOnlyIDs() {
			o, ok := f.Want[id]
			switch {
			case !ok:
				t.Errorf("%s declares nothing for check %s", f.Name, id)
			case o.Status == verify.Failed && o.Reason != "":
				red++
			case o != green:
				t.Errorf("%s: check %s declared as %v", f.Name, id, o)
			}
		}
		if red == 0 {
			t.Errorf("%s turns no check red", f.Name)
		}
		if len(f.Want) != len(verify.ReadOnlyIDs()) {
			t.Errorf("%s declares checks that do not exist: %v", f.Name, f.Want)
		}
	}
	// Every check is turned red by something.
	for _, id := range verify.IDs() {
		seen := false
		for _, f := range All() {
			seen = seen || f.Want[id].Status == verify.Failed
		}
		for _, f := range AllTimed() {
			seen = seen || f.Check == id && f.Want.Status == verify.Failed && f.Want.Reason != ""
		}
		if !seen {
			t.Errorf("no fault turns check %s red", id)
		}
	}
}

// TestParts: who breaks and who notices, and which faults a mesh can have at all.
func TestParts(t *testing.T) {
	target := func(name, plane, network, eastWest string) mesh.Cluster {
		return mesh.Cluster{Cluster: topology.Cluster{Name: name, ControlPlane: plane, Network: network}, EastWestAddress: eastWest, Config: &rest.Config{}}
	}
	primaries := []string{"remote-secret-loopback", "another-root", "istiod-unready"}
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
			l, err := newLab(c.targets, mesh.Workload{Versions: map[string][]string{"a": {"v2"}, "b": {"v1"}, "c": {"v1"}}})
			if err != nil {
				t.Fatal(err)
			}
			l.nodeExec = func(context.Context, string, ...string) ([]byte, error) { return nil, nil }
			of := func(s *site) string {
				if s == nil {
					return ""
				}
				return s.Name
			}
			if of(l.witness) != c.wantWitness || of(l.victim) != c.wantVictim {
				t.Errorf("witness %q, victim %q", of(l.witness), of(l.victim))
			}
			var plays []string
			for _, f := range All() {
				if f.needs(l) == "" {
					plays = append(plays, f.Name)
				}
			}
			slices.Sort(plays)
			slices.Sort(c.plays)
			if diff := cmp.Diff(c.plays, plays, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
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
		inject  func(context.Context, *lab) (repair, error)
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
			l := &lab{
				workload: mesh.Workload{Namespace: "sample"},
				sites: []*site{
					{Cluster: mesh.Cluster{Cluster: topology.Cluster{Name: "a", Network: "n1"}, Nodes: []string{"a-1", "a-2"}}, client: a},
					{
						Cluster: mesh.Cluster{Cluster: topology.Cluster{Name: "b", Network: c.network}},
						client:  fake.NewClientset(node("b-1", "10.11.0.0/24", "10.192.0.4"), node("b-2", "10.11.1.0/24", "10.192.0.5")),
					},
				},
				nodeExec: func(_ context.Context, node string, argv ...string) ([]byte, error) {
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
			undo, err := c.inject(t.Context(), l)
			if err != nil {
				t.Fatal(err)
			}
			if err := undo(t.Context()); err != nil {
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
	s := &site{Cluster: mesh.Cluster{Cluster: topology.Cluster{Name: "a"}}, dynamic: dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(),
		map[schema.GroupVersionResource]string{gateways: "GatewayList"})}
	for _, o := range []*unstructured.Unstructured{
		object("cross-network-gateway", "AUTO_PASSTHROUGH", 15443), object("istiod-gateway", "PASSTHROUGH", discoveryPort),
	} {
		if _, err := s.dynamic.Resource(gateways).Namespace(system).Create(t.Context(), o, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for name, is := range map[string]func(int64, string) bool{
		"cross-network-gateway": func(_ int64, mode string) bool { return mode == "AUTO_PASSTHROUGH" },
		"istiod-gateway":        func(port int64, _ string) bool { return port == discoveryPort },
	} {
		if g, err := s.gateway(t.Context(), is); err != nil || g.GetName() != name {
			t.Errorf("%v, %v, want %s", g, err, name)
		}
	}
	if _, err := s.gateway(t.Context(), func(port int64, _ string) bool { return port == 80 }); err == nil {
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

func TestDifference(t *testing.T) {
	got := difference(
		want(map[string]Outcome{verify.CheckConnectivity: red(verify.ReasonVersionUnreachable)}),
		want(map[string]Outcome{verify.CheckTrust: red(verify.ReasonRootsDiffer)}))
	for _, part := range []string{"trust is fail RootsDiffer, want pass", "connectivity is pass, want fail VersionUnreachable"} {
		if !strings.Contains(got, part) {
			t.Errorf("difference %q lacks %q", got, part)
		}
	}
}
