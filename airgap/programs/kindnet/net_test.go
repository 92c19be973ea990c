package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const nodeList = `{"items": [
 {"metadata": {"name": "a"}, "spec": {"podCIDR": "10.10.0.0/24"}, "status": {"addresses": [
   {"type": "Hostname", "address": "a"}, {"type": "InternalIP", "address": "fc00::2"}, {"type": "InternalIP", "address": "192.0.2.2"}]}},
 {"metadata": {"name": "b"}, "spec": {"podCIDR": "10.10.1.0/24"}, "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.3"}]}},
 {"metadata": {"name": "new"}, "spec": {}, "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.4"}]}}
]}`

func TestPlan(t *testing.T) {
	nodes, err := decodeNodes([]byte(nodeList))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		self   string
		routes []route
		fails  bool
	}{
		"a":       {self: "10.10.0.0/24", routes: []route{{"10.10.1.0/24", "192.0.2.3"}}},
		"b":       {self: "10.10.1.0/24", routes: []route{{"10.10.0.0/24", "192.0.2.2"}}},
		"new":     {fails: true},
		"unknown": {fails: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			self, routes, err := plan(nodes, name)
			if (err != nil) != tc.fails {
				t.Fatalf("error %v", err)
			}
			if tc.fails {
				return
			}
			if diff := cmp.Diff(tc.routes, routes, cmp.AllowUnexported(route{})); diff != "" || self != tc.self {
				t.Errorf("self %s, routes (-want +got):\n%s", self, diff)
			}
		})
	}
}

func TestDestinations(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		want  []string
		fails bool
	}{
		"no directory": {want: []string{"10.10.0.0/16"}},
		"peers": {
			files: map[string]string{"peers": "# flat network\n10.11.0.0/16 # cluster2\n\n10.12.3.4/16\n", ".hidden": "junk"},
			want:  []string{"10.10.0.0/16", "10.11.0.0/16", "10.12.0.0/16"},
		},
		"twice":       {files: map[string]string{"a": "10.10.0.0/16", "b": "10.10.0.0/16"}, want: []string{"10.10.0.0/16"}},
		"not a range": {files: map[string]string{"a": "10.11.0.0"}, fails: true},
		"IPv6":        {files: map[string]string{"a": "fc00::/7"}, fails: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "d")
			for f, content := range tc.files {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, f), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := destinations(dir, []string{"10.10.0.0/16"})
			if (err != nil) != tc.fails {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(tc.want, got); !tc.fails && diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRulesReturnBeforeMasquerade(t *testing.T) {
	want := "*nat\n:KINDNET-MASQ - [0:0]\n-A KINDNET-MASQ -d 10.10.0.0/16 -j RETURN\n" +
		"-A KINDNET-MASQ -d 10.11.0.0/16 -j RETURN\n-A KINDNET-MASQ -j MASQUERADE\nCOMMIT\n"
	if diff := cmp.Diff(want, rules([]string{"10.10.0.0/16", "10.11.0.0/16"})); diff != "" {
		t.Error(diff)
	}
}

func TestWriteCNIIsValidAndStable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "10-kindnet.conflist")
	if err := writeCNI(path, "10.10.0.0/24"); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var conf struct {
		Plugins []struct {
			Type string
			IPAM struct {
				Ranges [][]struct{ Subnet string }
			}
		}
	}
	if err := json.Unmarshal(data, &conf); err != nil {
		t.Fatal(err)
	}
	if len(conf.Plugins) != 2 || conf.Plugins[0].Type != "ptp" || conf.Plugins[0].IPAM.Ranges[0][0].Subnet != "10.10.0.0/24" {
		t.Errorf("unexpected configuration: %s", data)
	}
	if err := writeCNI(path, "10.10.0.0/24"); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Error("an unchanged configuration was written again")
	}
}

func TestServerOf(t *testing.T) {
	got, err := serverOf("apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: eA==\n    server: https://lab-control-plane:6443\n  name: lab\n")
	if err != nil || got != "https://lab-control-plane:6443" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := serverOf("clusters: []\n"); err == nil {
		t.Error("a kubeconfig without a server was accepted")
	}
}
