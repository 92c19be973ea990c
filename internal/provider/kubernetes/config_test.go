package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// kubeconfigOf returns a kubeconfig with contexts one and two; current is the
// context in use, server the API server of both.
func kubeconfigOf(current, server string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: %s
clusters:
- {name: one, cluster: {server: "%s"}}
- {name: two, cluster: {server: "%s/two"}}
users:
- {name: u, user: {token: secret-token}}
contexts:
- {name: one, context: {cluster: one, user: u, namespace: team}}
- {name: two, context: {cluster: two, user: u}}
`, current, server, server)
}

func TestDiffConfig(t *testing.T) {
	base := tree{"kubeconfig": kubeconfigOf("one", "https://a")}
	with := func(extra tree) tree {
		out := tree{"kubeconfig": base["kubeconfig"]}
		for k, v := range extra {
			out[k] = v
		}
		return out
	}
	tests := map[string]struct {
		olds, news tree
		changes    plugin.DiffChanges
		replace    []resource.PropertyKey
	}{
		"same":                                {base, base, plugin.DiffNone, nil},
		"option":                              {base, with(tree{"enablePatchForce": true}), plugin.DiffSome, nil},
		"other server":                        {base, tree{"kubeconfig": kubeconfigOf("one", "https://b")}, plugin.DiffSome, []resource.PropertyKey{"kubeconfig"}},
		"other current context":               {base, tree{"kubeconfig": kubeconfigOf("two", "https://a")}, plugin.DiffSome, []resource.PropertyKey{"kubeconfig"}},
		"other context option":                {base, with(tree{"context": "two"}), plugin.DiffSome, []resource.PropertyKey{"kubeconfig"}},
		"same cluster, other credentials":     {base, tree{"kubeconfig": strings.ReplaceAll(base["kubeconfig"].(string), "secret-token", "new")}, plugin.DiffSome, nil},
		"unknown kubeconfig":                  {base, tree{"kubeconfig": unknown}, plugin.DiffSome, []resource.PropertyKey{"kubeconfig"}},
		"identifier vouches for other server": {with(tree{"clusterIdentifier": "c"}), tree{"kubeconfig": kubeconfigOf("one", "https://b"), "clusterIdentifier": "c"}, plugin.DiffSome, nil},
		"identifier vouches for unknown":      {with(tree{"clusterIdentifier": "c"}), tree{"kubeconfig": unknown, "clusterIdentifier": "c"}, plugin.DiffSome, nil},
		"other identifier":                    {with(tree{"clusterIdentifier": "c"}), with(tree{"clusterIdentifier": "d"}), plugin.DiffSome, []resource.PropertyKey{"clusterIdentifier"}},
		"unknown identifier":                  {with(tree{"clusterIdentifier": "c"}), tree{"kubeconfig": unknown, "clusterIdentifier": unknown}, plugin.DiffSome, nil},
		"identifier added":                    {base, with(tree{"clusterIdentifier": "c"}), plugin.DiffSome, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			news := props(test.news)
			news["kubeconfig"] = resource.MakeSecret(news["kubeconfig"])
			olds := props(test.olds)
			olds["kubeconfig"] = resource.MakeSecret(olds["kubeconfig"])
			got, err := newProvider(Options{}).DiffConfig(context.Background(), plugin.DiffConfigRequest{OldInputs: olds, NewInputs: news})
			if err != nil {
				t.Fatal(err)
			}
			if got.Changes != test.changes {
				t.Errorf("changes %v, want %v", got.Changes, test.changes)
			}
			if d := cmp.Diff(test.replace, got.ReplaceKeys); d != "" {
				t.Errorf("replace keys (-want +got):\n%s", d)
			}
		})
	}
}

func TestCheckConfig(t *testing.T) {
	tests := map[string]struct {
		in   tree
		want []string
	}{
		"usual":             {tree{"kubeconfig": "x", "enableServerSideApply": true, "deleteUnreachable": "true"}, nil},
		"client-side apply": {tree{"enableServerSideApply": false}, []string{"enableServerSideApply"}},
		"as a string":       {tree{"enableServerSideApply": "false"}, []string{"enableServerSideApply"}},
		"rendering":         {tree{"renderYamlToDirectory": "out"}, []string{"renderYamlToDirectory"}},
		"no rendering":      {tree{"renderYamlToDirectory": ""}, nil},
		"unknown":           {tree{"enableServerSideApply": unknown, "kubeClientSettings": tree{"timeout": unknown}}, nil},
		"strict mode":       {tree{"strictMode": "true"}, []string{"strictMode"}},
		"as JSON": {
			tree{"kubeClientSettings": `{"timeout":32}`, "helmReleaseSettings": `{"pluginsPath":"x"}`},
			[]string{"helmReleaseSettings.pluginsPath", "kubeClientSettings.timeout"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			res, err := newProvider(Options{}).CheckConfig(context.Background(), plugin.CheckConfigRequest{News: props(test.in)})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range res.Failures {
				got = append(got, string(f.Property))
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("failures (-want +got):\n%s", d)
			}
		})
	}
}

func TestConfigure(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(kubeconfigOf("one", "https://a")), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		in                    tree
		host, namespace       string
		unreachable           string
		qps                   float32
		deletes, secretsInUse bool
	}{
		"contents":           {in: tree{"kubeconfig": kubeconfigOf("one", "https://a")}, host: "https://a", namespace: "team", qps: defaultQPS},
		"path":               {in: tree{"kubeconfig": file}, host: "https://a", namespace: "team", qps: defaultQPS},
		"context":            {in: tree{"kubeconfig": file, "context": "two"}, host: "https://a/two", namespace: "default", qps: defaultQPS},
		"cluster":            {in: tree{"kubeconfig": file, "cluster": "two"}, host: "https://a/two", namespace: "team", qps: defaultQPS},
		"namespace":          {in: tree{"kubeconfig": file, "namespace": "mine"}, host: "https://a", namespace: "mine", qps: defaultQPS},
		"client settings":    {in: tree{"kubeconfig": file, "kubeClientSettings": tree{"qps": 7.0}}, host: "https://a", namespace: "team", qps: 7},
		"settings as JSON":   {in: tree{"kubeconfig": file, "kubeClientSettings": `{"qps":"8"}`}, host: "https://a", namespace: "team", qps: 8},
		"flags as strings":   {in: tree{"kubeconfig": file, "deleteUnreachable": "true"}, host: "https://a", namespace: "team", qps: defaultQPS, deletes: true},
		"unknown kubeconfig": {in: tree{"kubeconfig": unknown, "deleteUnreachable": true}, namespace: "default", unreachable: "kubeconfig is not known yet", deletes: true},
		"no such context":    {in: tree{"kubeconfig": file, "context": "three"}, namespace: "default", unreachable: "three"},
		"no such file":       {in: tree{"kubeconfig": file + "x"}, namespace: "default", unreachable: "no such file"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
			p := newProvider(Options{})
			in := props(test.in)
			in["kubeconfig"] = resource.MakeSecret(in["kubeconfig"])
			if _, err := p.Configure(context.Background(), plugin.ConfigureRequest{Inputs: in}); err != nil {
				t.Fatal(err)
			}
			conf, c := p.configured()
			if conf.namespace != test.namespace || conf.deleteUnreachable != test.deletes {
				t.Errorf("configuration %+v", conf)
			}
			if test.unreachable != "" {
				if err := c.reach(context.Background(), true); err == nil || !strings.Contains(err.Error(), test.unreachable) {
					t.Errorf("error %v, want one with %q", err, test.unreachable)
				}
				return
			}
			if c.config.Host != test.host || c.config.QPS != test.qps {
				t.Errorf("host %q, qps %v", c.config.Host, c.config.QPS)
			}
		})
	}
}

// closedPort returns the URL of a port at which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "https://" + l.Addr().String()
}

// Without a cluster a stack can still be previewed, and destroyed on request.
func TestUnreachable(t *testing.T) {
	ctx := context.Background()
	urn := resource.NewURN("dev", "test", "", configMapType, "cm")
	in := configMapTree("ns", "cm", tree{"a": "1"})
	state := configMapTree("ns", "cm", tree{"a": "1"})
	state["__inputs"] = in
	provider := func(config tree) *Provider {
		config["kubeconfig"] = kubeconfigOf("one", closedPort(t))
		p := newProvider(Options{})
		if _, err := p.Configure(ctx, plugin.ConfigureRequest{Inputs: props(config)}); err != nil {
			t.Fatal(err)
		}
		return p
	}
	t.Run("preview", func(t *testing.T) {
		p := provider(tree{})
		start := time.Now()
		for range 20 {
			res, err := p.Create(ctx, plugin.CreateRequest{URN: urn, Type: configMapType, Properties: props(in), Preview: true})
			if err != nil || res.ID != "" || !res.Properties.DeepEquals(props(in)) {
				t.Fatalf("%+v, error %v", res, err)
			}
			diff, err := p.Diff(ctx, plugin.DiffRequest{URN: urn, Type: configMapType, ID: "ns/cm", OldInputs: props(in), OldOutputs: props(state), NewInputs: props(configMapTree("ns", "cm", tree{"a": "2"}))})
			if err != nil || len(diff.ReplaceKeys) != 1 {
				t.Fatalf("%+v, error %v", diff, err)
			}
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("40 previews without a cluster took %s", took)
		}
	})
	t.Run("scope of a custom resource", func(t *testing.T) {
		p := provider(tree{"namespace": "mine"})
		custom := resource.NewURN("dev", "test", "", "kubernetes:example.com/v1:Thing", "t")
		res, err := p.Check(ctx, plugin.CheckRequest{URN: custom, Name: "t", Type: "kubernetes:example.com/v1:Thing", News: props(tree{"metadata": tree{"name": "t"}})})
		if err != nil || len(res.Failures) > 0 {
			t.Fatalf("%+v, error %v", res, err)
		}
		want := tree{"apiVersion": "example.com/v1", "kind": "Thing", "metadata": tree{"name": "t"}}
		if d := cmp.Diff(map[string]any(want), toTree(res.Properties)); d != "" {
			t.Errorf("inputs (-want +got):\n%s", d)
		}
	})
	t.Run("read and delete", func(t *testing.T) {
		p := provider(tree{})
		_, err := p.Delete(ctx, plugin.DeleteRequest{URN: urn, Type: configMapType, ID: "ns/cm", Outputs: props(state)})
		wantError(t, err, "cluster is unreachable", "pulumi state delete")
		_, err = p.Read(ctx, plugin.ReadRequest{URN: urn, Type: configMapType, ID: "ns/cm", Inputs: props(in), State: props(state)})
		wantError(t, err, "unreachable cluster", "pulumi state delete")
	})
	for name, tc := range map[string]struct {
		identifier string
		ask        func(context.Context, string) (bool, error)
		want       string
	}{
		"deleteUnreachable, no identifier": {"", func(context.Context, string) (bool, error) { return true, nil }, "pulumi state delete"},
		"deleteUnreachable, nobody to ask": {"c1", nil, "pulumi state delete"},
		"deleteUnreachable, nodes stopped": {"c1", func(context.Context, string) (bool, error) { return false, nil }, "stay in the state"},
		"deleteUnreachable, no answer":     {"c1", func(context.Context, string) (bool, error) { return true, errors.New("the daemon is away") }, "the daemon is away"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits
			p := provider(tree{"deleteUnreachable": true, "clusterIdentifier": tc.identifier})
			p.opts.Gone = tc.ask
			conf, c := p.configured()
			c.proof = p.proofOf(conf)
			for _, typ := range []string{configMapType, string(releaseType)} {
				_, err := p.Delete(ctx, plugin.DeleteRequest{URN: urn, Type: tokenOf(typ), ID: "ns/cm", Outputs: props(state)})
				wantError(t, err, "unreachable", tc.want)
				_, err = p.Read(ctx, plugin.ReadRequest{URN: urn, Type: tokenOf(typ), ID: "ns/cm", State: props(state)})
				wantError(t, err, "unreachable", tc.want)
			}
		})
	}
	t.Run("deleteUnreachable, gone", func(t *testing.T) {
		p := provider(tree{"deleteUnreachable": true, "clusterIdentifier": "c1"})
		conf, c := p.configured()
		p.opts.Gone = func(_ context.Context, id string) (bool, error) { return id == "c1", nil }
		c.proof = p.proofOf(conf)
		for _, typ := range []string{configMapType, string(releaseType)} {
			if _, err := p.Delete(ctx, plugin.DeleteRequest{URN: urn, Type: tokenOf(typ), ID: "ns/cm", Outputs: props(state)}); err != nil {
				t.Errorf("delete %s: %v", typ, err)
			}
			res, err := p.Read(ctx, plugin.ReadRequest{URN: urn, Type: tokenOf(typ), ID: "ns/cm", State: props(state)})
			if err != nil || res.ID != "" {
				t.Errorf("read %s: %+v, error %v", typ, res, err)
			}
		}
	})
	t.Run("deleteUnreachable, gone after it answered", func(t *testing.T) {
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Type", "application/json")
			switch r.URL.Path {
			case "/readyz":
			case "/api/v1":
				_, _ = rw.Write([]byte(`{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"configmaps","kind":"ConfigMap","namespaced":true,"verbs":["get"]}]}`))
			default:
				http.NotFound(rw, r)
			}
		}))
		defer server.Close()
		p := newProvider(Options{Gone: func(_ context.Context, id string) (bool, error) { return id == "c1", nil }})
		defer p.Close() //nolint:errcheck // the end of the test
		if _, err := p.Configure(ctx, plugin.ConfigureRequest{Inputs: props(tree{
			"kubeconfig": kubeconfigOf("one", server.URL), "deleteUnreachable": true, "clusterIdentifier": "c1",
		})}); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Read(ctx, plugin.ReadRequest{URN: urn, Type: configMapType, ID: "ns/cm", Inputs: props(in), State: props(state)}); err != nil {
			t.Fatal(err)
		}
		server.Close() // as when the cluster is replaced in the same update
		start := time.Now()
		for _, typ := range []string{configMapType, string(releaseType)} {
			if _, err := p.Delete(ctx, plugin.DeleteRequest{URN: urn, Type: tokenOf(typ), ID: "ns/cm", Outputs: props(state)}); err != nil {
				t.Errorf("delete %s: %v", typ, err)
			}
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("the deletions took %s", took)
		}
	})
	t.Run("skipUpdateUnreachable", func(t *testing.T) {
		p := provider(tree{"skipUpdateUnreachable": true})
		res, err := p.Read(ctx, plugin.ReadRequest{URN: urn, Type: configMapType, ID: "ns/cm", Inputs: props(in), State: props(state)})
		if err != nil || res.ID != "ns/cm" || !res.Outputs.DeepEquals(props(state)) {
			t.Errorf("%+v, error %v", res, err)
		}
		checked, err := p.Check(ctx, plugin.CheckRequest{URN: urn, Name: "cm", Type: configMapType, News: props(configMapTree("ns", "cm", tree{"a": "2"})), Olds: props(in)})
		if err != nil || !checked.Properties.DeepEquals(props(in)) {
			t.Errorf("%+v, error %v", checked, err)
		}
	})
	t.Run("cancelled while it waits", func(t *testing.T) {
		p := provider(tree{})
		time.AfterFunc(200*time.Millisecond, func() { _ = p.SignalCancellation(ctx) })
		start := time.Now()
		_, err := p.Create(ctx, plugin.CreateRequest{URN: urn, Type: configMapType, Properties: props(in)})
		wantError(t, err, "cluster is unreachable")
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("cancelled after %s", took)
		}
	})
}
