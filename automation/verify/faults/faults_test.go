package faults

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/meshwright/meshwright/automation/verify"
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

func TestParts(t *testing.T) {
	target := func(name, plane, network, eastWest string) verify.Target {
		return verify.Target{Name: name, ControlPlane: plane, Network: network, EastWestAddress: eastWest, Config: &rest.Config{}}
	}
	cases := map[string]struct {
		targets                     []verify.Target
		wantWitness, wantVictim     string
		playsPrimaries, playsRouted bool
	}{
		"the article's": {
			[]verify.Target{target("a", "a", "n1", "10.0.0.1"), target("b", "b", "n2", "10.0.0.2")}, "a", "b", true, true,
		},
		"three": {
			[]verify.Target{target("a", "a", "n1", "10.0.0.1"), target("b", "b", "n2", "10.0.0.2"), target("c", "c", "n3", "10.0.0.3")}, "a", "b", true, true,
		},
		"flat": {
			[]verify.Target{target("a", "a", "n1", ""), target("b", "b", "n1", "")}, "a", "b", true, false,
		},
		"one control plane": {
			[]verify.Target{target("a", "a", "n1", "10.0.0.1"), target("b", "a", "n2", "10.0.0.2")}, "a", "", false, false,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			l, err := newLab(c.targets, verify.Workload{})
			if err != nil {
				t.Fatal(err)
			}
			of := func(s *site) string {
				if s == nil {
					return ""
				}
				return s.Name
			}
			if of(l.witness) != c.wantWitness || of(l.victim) != c.wantVictim {
				t.Errorf("witness %q, victim %q", of(l.witness), of(l.victim))
			}
			if got := needsTwoPrimaries(l) == ""; got != c.playsPrimaries {
				t.Errorf("needsTwoPrimaries: %q", needsTwoPrimaries(l))
			}
			if got := needsTwoNetworks(l) == ""; got != c.playsRouted {
				t.Errorf("needsTwoNetworks: %q", needsTwoNetworks(l))
			}
		})
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
		want(map[string]Outcome{verify.CheckCalls: red(verify.ReasonVersionUnreachable)}),
		want(map[string]Outcome{verify.CheckTrust: red(verify.ReasonRootsDiffer)}))
	for _, part := range []string{"trust is fail RootsDiffer, want pass", "calls is pass, want fail VersionUnreachable"} {
		if !strings.Contains(got, part) {
			t.Errorf("difference %q lacks %q", got, part)
		}
	}
}
