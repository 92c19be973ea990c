package collect

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/mesh/topology"
)

// server is an API server with one pod that was told secrets.
func server(t *testing.T, key string) *httptest.Server {
	t.Helper()
	answers := map[string]string{
		"/version": `{"major": "1", "minor": "35", "gitVersion": "v1.35.4"}`,
		"/apis":    `{"kind": "APIGroupList", "groups": [{"name": "networking.istio.io", "versions": [{"groupVersion": "networking.istio.io/v1", "version": "v1"}], "preferredVersion": {"groupVersion": "networking.istio.io/v1", "version": "v1"}}]}`,
		"/api":     `{"kind": "APIVersions", "versions": []}`,
		"/api/v1/pods": `{"kind": "PodList", "apiVersion": "v1", "items": [{"apiVersion": "v1", "kind": "Pod",
  "metadata": {"name": "app-0", "namespace": "sample", "managedFields": [{"manager": "noise"}],
    "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{\"data\": \"` + b64(key) + `\"}"}},
  "spec": {"containers": [{"name": "app", "env": [{"name": "DB_PASSWORD", "value": "hunter2hunter2"}, {"name": "MODE", "value": "quick"}]}]},
  "status": {"phase": "Running", "containerStatuses": [{"name": "app", "restartCount": 1}]}}]}`,
		"/api/v1/secrets":                          `{"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "items": [{"metadata": {"name": "cacerts", "namespace": "istio-system"}}]}`,
		"/apis/networking.istio.io/v1":             `{"kind": "APIResourceList", "groupVersion": "networking.istio.io/v1", "resources": [{"name": "gateways", "kind": "Gateway", "namespaced": true, "verbs": ["list"]}]}`,
		"/apis/networking.istio.io/v1/gateways":    `{"kind": "GatewayList", "apiVersion": "networking.istio.io/v1", "items": [{"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"name": "cross-network-gateway"}}]}`,
		"/api/v1/namespaces/sample/pods/app-0/log": "started\nkey loaded:\n" + key + "token=" + sampleJWT + "\nlost the canary-of-the-operator here\n",
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/v1/secrets") && !strings.Contains(r.Header.Get("Accept"), "PartialObjectMetadata") {
			t.Errorf("the data of secrets was asked for: Accept %q", r.Header.Get("Accept"))
		}
		text, ok := answers[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, text) //nolint:errcheck // the client reports
	}))
	t.Cleanup(s.Close)
	return s
}

func TestRun(t *testing.T) {
	key := keys(t)["EC"]
	name := filepath.Join(t.TempDir(), "out.tar.gz")
	index, err := Run(t.Context(), []mesh.Cluster{
		{Cluster: topology.Cluster{Name: "cluster1", ControlPlane: "cluster1"}, Config: &rest.Config{Host: server(t, key).URL, BearerToken: "bearer-of-the-kubeconfig"}},
		{Cluster: topology.Cluster{Name: "cluster2", ControlPlane: "cluster2"}, Config: &rest.Config{Host: "http://127.0.0.1:1"}},
	}, Options{
		Path:     name,
		Versions: map[string]string{"meshwright": "test"},
		Secrets:  []string{"canary-of-the-operator"},
		Files: []File{
			{Name: "stack.json", Read: func(context.Context) ([]byte, error) {
				return []byte(`{"kubeconfig": "` + b64("users:\n- user:\n    token: "+sampleJWT+"\n") + `", "used": "bearer-of-the-kubeconfig"}`), nil
			}},
			{Name: "absent.txt", Read: func(context.Context) ([]byte, error) { return nil, errors.New("no token " + sampleJWT) }},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	files := unpack(t, name)
	for _, want := range []string{
		"index.json", "stack.json", "cluster1/objects/pods.yaml", "cluster1/objects/secrets-names-only.yaml",
		"cluster1/objects/gateways.networking.istio.io.v1.yaml", "cluster1/logs/sample/app-0/app.log", "cluster1/logs/sample/app-0/app.previous.log",
	} {
		if files[want] == "" {
			t.Errorf("no %s in the archive", want)
		}
	}
	missing := map[string]bool{}
	for _, m := range index.Missing {
		missing[m.Name] = true
	}
	if !missing["cluster2"] || !missing["absent.txt"] {
		t.Errorf("missing %v, want cluster2 and absent.txt among them", index.Missing)
	}
	var secrets []string
	for _, s := range []string{key, b64(key), sampleJWT, b64(sampleJWT), "hunter2hunter2", "canary-of-the-operator", "bearer-of-the-kubeconfig"} {
		secrets = append(secrets, append(traces(s), s)...)
	}
	for file, text := range files {
		for _, s := range secrets {
			if strings.Contains(text, s) {
				t.Errorf("%s: %q is in it", file, s)
			}
		}
	}
	for file, kept := range map[string][]string{
		"cluster1/objects/pods.yaml":               {"MODE", "quick", "DB_PASSWORD"},
		"cluster1/objects/secrets-names-only.yaml": {"cacerts"},
		"cluster1/logs/sample/app-0/app.log":       {"started", "lost the"},
	} {
		for _, k := range kept {
			if !strings.Contains(files[file], k) {
				t.Errorf("%s: %q is gone:\n%s", file, k, files[file])
			}
		}
	}
}

func TestStoppedRunLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Run(ctx, nil, Options{Path: filepath.Join(dir, "out.tar.gz")})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestNoDirectoryIsAnError(t *testing.T) {
	if _, err := Run(t.Context(), nil, Options{Path: filepath.Join(t.TempDir(), "none", "out.tar.gz")}); err == nil {
		t.Error("no error")
	}
}

// unpack returns the archive's files by name, without the common directory.
func unpack(t *testing.T, name string) map[string]string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // read side
	gz, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for r := tar.NewReader(gz); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.FileInfo().Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v", h.Name, h.FileInfo().Mode())
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimPrefix(h.Name, "meshwright-collect/")] = string(text)
	}
}
