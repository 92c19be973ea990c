package automation

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/meshwright/meshwright/stacks"
)

// outputsOf are those of a lab of one cluster with this API server.
func outputsOf(server string) *Outputs {
	c := stacks.ClusterOutputs{KindName: "dev-cluster1", Kubeconfig: strings.ReplaceAll(kubeconfig, "https://127.0.0.1:6443", server)}
	c.Name = "cluster1"
	return &Outputs{Lab: "dev", Clusters: []Cluster{{c}}}
}

// TestMergedContextsGoWithTheLab and nothing else does.
func TestMergedContextsGoWithTheLab(t *testing.T) {
	const one, two = "https://127.0.0.1:1", "https://127.0.0.1:2"
	users := func() *api.Config {
		c := api.NewConfig()
		c.Clusters["work"], c.AuthInfos["me"] = &api.Cluster{Server: "https://work.invalid"}, &api.AuthInfo{Token: "mine"}
		c.Contexts["work"] = &api.Context{Cluster: "work", AuthInfo: "me"}
		c.CurrentContext = "work"
		return c
	}
	for name, tc := range map[string]struct {
		before func(*api.Config)
		merge  []string          // API servers, one after another
		change func(*api.Config) // by the user, after the merge
		fails  string            // the last merge's error
		kept   func(*api.Config) // of what the destroyed lab leaves, beside what was there before
		gone   []string
	}{
		"as merged": {merge: []string{one}, gone: []string{"cluster1"}},
		"recreated": {merge: []string{one, two}, gone: []string{"cluster1"}},
		"never":     {},
		"the current": {
			before: func(c *api.Config) { c.CurrentContext = "" }, merge: []string{one}, gone: []string{"cluster1"},
		},
		"renamed": {
			merge: []string{one}, gone: []string{"mesh"},
			change: func(c *api.Config) { c.Contexts["mesh"] = c.Contexts["cluster1"]; delete(c.Contexts, "cluster1") },
		},
		"another cluster by now": {
			merge: []string{one},
			change: func(c *api.Config) {
				c.Clusters["kind-dev-cluster1"].Server = two
				c.AuthInfos["kind-dev-cluster1"].Token = "new"
			},
			kept: func(c *api.Config) {
				c.Clusters["kind-dev-cluster1"] = &api.Cluster{Server: two}
				c.AuthInfos["kind-dev-cluster1"] = &api.AuthInfo{Token: "new"}
				c.Contexts["cluster1"] = &api.Context{Cluster: "kind-dev-cluster1", AuthInfo: "kind-dev-cluster1"}
			},
		},
		"another's context": {
			before: func(c *api.Config) { c.Contexts["cluster1"] = &api.Context{Cluster: "work", AuthInfo: "me"} },
			merge:  []string{one}, fails: "another context cluster1, for work",
		},
		"another's cluster": {
			before: func(c *api.Config) { c.Clusters["kind-dev-cluster1"] = &api.Cluster{Server: two} },
			merge:  []string{one}, fails: "another cluster kind-dev-cluster1, at " + two,
		},
	} {
		t.Run(name, func(t *testing.T) {
			lab := testLab(t, "dev", t.TempDir(), newWorld(), "ok")
			if err := os.MkdirAll(lab.Dir(), 0o700); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "config")
			t.Setenv("KUBECONFIG", file)
			want := users()
			if tc.before != nil {
				tc.before(want)
			}
			if err := clientcmd.WriteToFile(*want, file); err != nil {
				t.Fatal(err)
			}
			var err error
			for _, server := range tc.merge {
				_, err = lab.MergeKubeconfig(outputsOf(server))
			}
			if (err == nil) != (tc.fails == "") || err != nil && !strings.Contains(err.Error(), tc.fails) {
				t.Fatalf("merge: %v, want %q", err, tc.fails)
			}
			read := func() *api.Config {
				t.Helper()
				c, err := clientcmd.LoadFromFile(file)
				if err != nil {
					t.Fatal(err)
				}
				return c
			}
			if tc.fails == "" && len(tc.merge) > 0 {
				c := read()
				if got := c.Clusters["kind-dev-cluster1"]; got == nil || got.Server != tc.merge[len(tc.merge)-1] {
					t.Errorf("merged: %+v", got)
				}
				if tc.change != nil {
					tc.change(c)
					if err := clientcmd.WriteToFile(*c, file); err != nil {
						t.Fatal(err)
					}
				}
			}
			res, err := lab.Destroy(t.Context(), Force())
			if err != nil || !slices.Equal(res.Contexts, tc.gone) {
				t.Errorf("destroy: %+v, %v", res, err)
			}
			if tc.kept != nil {
				tc.kept(want)
			}
			text := func(c *api.Config) string {
				data, err := clientcmd.Write(*c)
				if err != nil {
					t.Fatal(err)
				}
				return string(data)
			}
			if diff := cmp.Diff(text(want), text(read())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestAKubeconfigThatCannotBeRead does not keep a lab from going, and is left.
func TestAKubeconfigThatCannotBeRead(t *testing.T) {
	lab := testLab(t, "dev", t.TempDir(), newWorld(), "ok")
	var warned []string
	lab.o.Events = func(e Event) { warned = append(warned, e.Message) }
	file := filepath.Join(t.TempDir(), "config")
	t.Setenv("KUBECONFIG", file)
	if err := os.MkdirAll(lab.Dir(), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := lab.MergeKubeconfig(outputsOf("https://127.0.0.1:1")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := lab.Destroy(t.Context(), Force()); err != nil || len(warned) != 1 || !strings.Contains(warned[0], file) {
		t.Errorf("destroy: %v, warned %v", err, warned)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "{" {
		t.Errorf("%q, %v", data, err)
	}
}
