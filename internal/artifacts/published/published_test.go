package published

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/meshwright/meshwright/internal/artifacts"
)

// publisher holds documents by path and refuses everything else, as a registry does
// (https://github.com/opencontainers/distribution-spec) and a chart repository.
type publisher map[string]document

type document struct{ mediaType, body string }

func (p publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d, ok := p[r.URL.Path]
	if !ok {
		http.Error(w, `{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}`, http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", d.mediaType)
	w.Header().Set("Docker-Content-Digest", digestOf(d.body))
	fmt.Fprint(w, d.body)
}

func digestOf(body string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(body))) }

const (
	config    = `{"os": "linux", "architecture": "amd64"}`
	platforms = `{"schemaVersion": 2, "manifests": [
{"digest": "sha256:01", "size": 1, "platform": {"os": "linux", "architecture": "arm64"}},
{"digest": "sha256:02", "size": 1, "platform": {"os": "linux", "architecture": "amd64"}},
{"digest": "sha256:03", "size": 1, "platform": {"os": "unknown", "architecture": "unknown"}}]}`
	charts = `apiVersion: v1
entries:
  istiod:
  - {name: istiod, version: 1.31.1, digest: 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03, urls: [istiod-1.31.1.tgz]}
  gateway:
  - {name: gateway, version: 1.31.1, urls: [gateway-1.31.1.tgz]}
`
)

func TestCheck(t *testing.T) {
	single := fmt.Sprintf(`{"schemaVersion": 2, "config": {"mediaType": %q, "digest": %q, "size": %d}, "layers": []}`,
		ocispec.MediaTypeImageConfig, digestOf(config), len(config))
	server := httptest.NewTLSServer(publisher{
		"/v2/istio/pilot/manifests/1.31.1":   {ocispec.MediaTypeImageIndex, platforms},
		"/v2/load/manifests/1":               {ocispec.MediaTypeImageManifest, single},
		"/v2/load/blobs/" + digestOf(config): {"application/octet-stream", config},
		"/v2/istio/broken/manifests/1":       {ocispec.MediaTypeImageIndex, "{"},
		"/charts/index.yaml":                 {"text/yaml", charts},
		"/v2/kindest/node/manifests/v1.37.0": {ocispec.MediaTypeImageIndex, platforms},
		"/damaged/index.yaml":                {"text/yaml", "entries: ["},
	})
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "https://")
	set := &artifacts.Set{
		NodeImage: artifacts.Image{Name: host + "/kindest/node:v1.37.0"},
		Images: map[string]artifacts.Image{
			"pilot":   {Name: host + "/istio/pilot:1.31.1"},
			"proxyv2": {Name: host + "/istio/proxyv2:1.31.1"}, // not there
			"load":    {Name: host + "/load:1"},
			"sleep":   {Name: host + "/istio/broken:1"},
			"gone":    {Name: "127.0.0.1:1/x:1"},
		},
		Charts: map[string]artifacts.Chart{
			"istiod":  {Name: "istiod", Version: "1.31.1", Repo: server.URL + "/charts"},
			"base":    {Name: "base", Version: "1.31.1", Repo: server.URL + "/charts/"},
			"gateway": {Name: "gateway", Version: "1.31.1", Repo: server.URL + "/charts"},
			"metallb": {Name: "metallb", Version: "0.15.2", Repo: server.URL + "/moved"},
			"damaged": {Name: "damaged", Version: "1", Repo: server.URL + "/damaged"},
		},
	}
	got := Check(t.Context(), set, server.Client())
	both := []string{"linux/amd64", "linux/arm64"}
	want := []Item{
		{Kind: Image, Role: "gone", Problem: "127.0.0.1:1: "},
		{Kind: Image, Role: "load", Digest: digestOf(single), Platforms: []string{"linux/amd64"}},
		{Kind: Image, Role: "node", Digest: digestOf(platforms), Platforms: both},
		{Kind: Image, Role: "pilot", Digest: digestOf(platforms), Platforms: both},
		{Kind: Image, Role: "proxyv2", Problem: "1.31.1: not found"},
		{Kind: Image, Role: "sleep", Problem: "its manifest: "},
		{Kind: Chart, Role: "base", Problem: "no chart base of version 1.31.1"},
		{Kind: Chart, Role: "damaged", Problem: "/damaged/index.yaml: "},
		{Kind: Chart, Role: "gateway", Problem: "chart gateway 1.31.1 has no digest"},
		{Kind: Chart, Role: "istiod", Digest: "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"},
		{Kind: Chart, Role: "metallb", Problem: "/moved/index.yaml: 404 Not Found"},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Item{}, "Address", "Problem")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i := range min(len(want), len(got)) {
		if problem := got[i].Problem; (problem == "") != (want[i].Problem == "") || !strings.Contains(problem, want[i].Problem) {
			t.Errorf("%s: problem %q, want %q", got[i].Role, problem, want[i].Problem)
		}
		if _, err := json.Marshal(got[i]); err != nil || got[i].Address == "" {
			t.Errorf("%+v: %v", got[i], err)
		}
	}
}

// TestSample: one image of each registry, the node image and all charts.
func TestSample(t *testing.T) {
	set := artifacts.Registry()
	got, err := Sample(set)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Images) != 2 || got.NodeImage != set.NodeImage || len(got.Charts) != len(set.Charts) {
		t.Errorf("%+v", got)
	}
	if _, err := Sample(&artifacts.Set{Images: map[string]artifacts.Image{"x": {Name: "No:Such:Name"}}}); err == nil {
		t.Error("a reference that is none is taken")
	}
}
