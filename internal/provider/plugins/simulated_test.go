package plugins

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/meshwright/meshwright/internal/provider/providertest"
)

// TestSimulatedCreation: everything is made without anything to make it with, the
// same every time, and shows no difference to itself.
func TestSimulatedCreation(t *testing.T) {
	// Neither a cluster nor a daemon of the user's may be asked.
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	t.Setenv("DOCKER_HOST", "unix:///no-such-socket")
	t.Setenv("PULUMI_K8S_SKIP_UPDATE_UNREACHABLE", "true") // would hide every change
	obj, secret := providertest.Obj, providertest.Secret
	for typ, tc := range map[string]struct {
		inputs resource.PropertyMap
		id     string // "" for one that follows from the URN
		has    []string
		secret []string // outputs
	}{
		"kubernetes:core/v1:ConfigMap": {inputs: obj("data", obj("a", "b")), has: []string{"metadata"}},
		"kubernetes:core/v1:Secret": {
			inputs: obj("type", "kubernetes.io/service-account-token", "metadata", obj("name", "n", "namespace", "ns")),
			id:     "ns/n", has: []string{"data"}, secret: []string{"data"},
		},
		"kubernetes:networking.istio.io/v1:Gateway": {inputs: obj("metadata", obj("name", "g", "namespace", "ns"), "spec", obj("x", "y")), id: "ns/g"},
		"kubernetes:helm.sh/v3:Release": {
			inputs: obj("chart", "base", "version", "1", "name", "r", "namespace", "ns", "repositoryOpts", obj("repo", "https://charts.invalid")),
			id:     "ns/r", has: []string{"status"},
		},
		"meshwright:kind:Network": {inputs: obj("lab", "l", "name", "n", "subnet", "10.0.0.0/20"), has: []string{"gateway"}},
		"meshwright:kind:Cluster": {
			inputs: obj("lab", "l", "name", "l-c", "network", "n", "image", "i"), id: "l-c", has: []string{"server", "nodeNames", "clusterID"}, secret: []string{"kubeconfig"},
		},
		"tls:index/privateKey:PrivateKey": {inputs: obj("algorithm", "ECDSA"), has: []string{"publicKeyPem"}, secret: []string{"privateKeyPem"}},
		"tls:index/locallySignedCert:LocallySignedCert": {
			inputs: obj("allowedUses", providertest.Arr("cert_signing"), "caCertPem", "x", "caPrivateKeyPem", secret("x"), "certRequestPem", "x", "validityPeriodHours", 1.0),
			has:    []string{"certPem"},
		},
		"command:local:Command": {inputs: obj("create", "echo no > /no/such/file"), has: []string{"stdout"}},
	} {
		t.Run(typ, func(t *testing.T) {
			urn := providertest.URN(typ, "thing")
			pkg, _, _ := strings.Cut(typ, ":")
			make := func() (*providertest.Client, *providertest.Resource) {
				c := providertest.Serve(t, Simulated("")[pkg])
				return c, c.MustCreate(urn, tc.inputs)
			}
			c, one := make()
			_, two := make()
			if diff := cmp.Diff(one.Outputs.Mappable(), two.Outputs.Mappable()); diff != "" || one.ID != two.ID {
				t.Errorf("made twice it differs: %s and %s: %s", one.ID, two.ID, diff)
			}
			if one.ID == "" || tc.id != "" && string(one.ID) != tc.id {
				t.Errorf("ID %q, want %q", one.ID, tc.id)
			}
			if one.Outputs.ContainsUnknowns() {
				t.Errorf("something is unknown: %v", one.Outputs)
			}
			for _, key := range append(tc.has, tc.secret...) {
				v, ok := one.Outputs[resource.PropertyKey(key)]
				if !ok {
					t.Errorf("there is no %s", key)
				}
				if wanted := len(tc.secret) > 0 && tc.secret[0] == key; wanted && !v.IsSecret() {
					t.Errorf("%s is no secret", key)
				}
			}
			inputs, failures := c.Check(urn, one.Inputs, tc.inputs)
			if len(failures) > 0 {
				t.Fatal(failures)
			}
			if d := c.Diff(one, inputs); len(d.GetDiffs())+len(d.GetReplaces())+len(d.GetDetailedDiff()) > 0 {
				t.Errorf("it differs from itself: %v", d)
			}
		})
	}
}

// TestSimulatedDiffs: changes show as those of the real provider.
func TestSimulatedDiffs(t *testing.T) {
	obj := providertest.Obj
	for name, tc := range map[string]struct {
		typ      string
		old, now resource.PropertyMap
		replaces bool
	}{
		"in place": {"kubernetes:core/v1:Namespace", obj("metadata", obj("name", "n", "labels", obj("a", "1"))), obj("metadata", obj("name", "n", "labels", obj("a", "2"))), false},
		"by the table": {
			"kubernetes:core/v1:ConfigMap", obj("metadata", obj("name", "n"), "data", obj("a", "1")), obj("metadata", obj("name", "n"), "data", obj("a", "2")), true,
		},
		"values": {"kubernetes:helm.sh/v3:Release", obj("chart", "c", "name", "n", "values", obj("a", 1.0)), obj("chart", "c", "name", "n", "values", obj("a", 2.0)), false},
		"subnet": {
			"meshwright:kind:Cluster", obj("lab", "l", "name", "c", "network", "n", "image", "i", "podSubnet", "10.1.0.0/16"),
			obj("lab", "l", "name", "c", "network", "n", "image", "i", "podSubnet", "10.2.0.0/16"), true,
		},
		"key": {"tls:index/privateKey:PrivateKey", obj("algorithm", "ECDSA"), obj("algorithm", "RSA"), true},
	} {
		t.Run(name, func(t *testing.T) {
			pkg, _, _ := strings.Cut(tc.typ, ":")
			c := providertest.Serve(t, Simulated("")[pkg])
			urn := providertest.URN(tc.typ, "thing")
			r := c.MustCreate(urn, tc.old)
			inputs, failures := c.Check(urn, r.Inputs, tc.now)
			if len(failures) > 0 {
				t.Fatal(failures)
			}
			d := c.Diff(r, inputs)
			if len(d.GetDetailedDiff()) == 0 || tc.replaces != (len(d.GetReplaces()) > 0) {
				t.Errorf("got %v, replaces %v", d.GetDetailedDiff(), tc.replaces)
			}
		})
	}
}

// TestAChartOfTheProject: its files count, whatever its version says.
func TestAChartOfTheProject(t *testing.T) {
	root := t.TempDir()
	write := func(text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(root, "charts", "own"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "charts", "own", "Chart.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const typ = "kubernetes:helm.sh/v3:Release"
	inputs := providertest.Obj("chart", "charts/own", "name", "n")
	c := providertest.Serve(t, Simulated(root)["kubernetes"])
	write("one")
	r := c.MustCreate(providertest.URN(typ, "x"), inputs)
	write("two")
	now, _ := c.Check(r.URN, r.Inputs, inputs)
	if d := c.Diff(r, now); d.GetDetailedDiff()["checksum"] == nil {
		t.Errorf("a changed chart shows as %v", d.GetDetailedDiff())
	}
	// What lies outside the project is not looked at.
	for _, chart := range []string{"../own", filepath.Join(root, "charts", "own"), "absent"} {
		in, failures := c.Check(r.URN, nil, providertest.Obj("chart", chart, "name", "n"))
		if _, ok := in["checksum"]; ok || len(failures) > 0 {
			t.Errorf("%s: %v, %v", chart, in["checksum"], failures)
		}
	}
}
