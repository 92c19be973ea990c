package artifacts

import (
	"strings"

	kindimage "sigs.k8s.io/kind/pkg/apis/config/defaults"
)

// Versions of what a lab is made of when it comes from the official registries. Nodes
// are what kind's library was released with, by version and digest. Istio is the latest
// patch release of 1.31, for its security fixes; the airgap kit is built from Go modules,
// which are not published by release, and has 1.31.0.
const (
	istioVersion   = "1.31.1"
	metalLBVersion = "v0.15.2"
)

// istioHub and istioCharts are where Istio publishes since 1.31; see Publishers.
const (
	istioHub    = "docker.io/istio"
	istioCharts = "https://blob.istio.io/istio-release/charts"
)

// Publisher is a host from which a lab with official artifacts is fetched.
type Publisher struct {
	Host      string // of a registry, as in a reference, or of a chart repository
	Publishes string // the beginning of what is fetched from it, as Registry names it
	Source    string // where it was read that this is the place, and when
}

// Publishers lists every place that Registry names.
func Publishers() []Publisher {
	return []Publisher{
		{"docker.io", istioHub + "/", istioNotes},
		{"blob.istio.io", istioCharts, istioNotes},
		{"docker.io", "kindest/node:", "constant Image of sigs.k8s.io/kind/pkg/apis/config/defaults, 2026-11-29"},
		{"quay.io", "quay.io/metallb/", "values of MetalLB's chart v0.15.2, 2026-11-29"},
		{"metallb.github.io", "https://metallb.github.io/metallb", "https://metallb.io/installation/, 2026-11-22"},
		{"docker.io", "docker.io/curlimages/curl:", "https://hub.docker.com/r/curlimages/curl, 2026-11-22"},
		{"docker.io", "docker.io/peterevans/vegeta:", "https://hub.docker.com/r/peterevans/vegeta, 2026-11-22"},
	}
}

// istioNotes say that nothing of 1.31 is published on Google's hosts, which close.
const istioNotes = "https://istio.io/latest/news/releases/1.31.x/announcing-1.31/upgrade-notes/, 2026-11-29"

// Registry is the set of official images and charts by exact version. Digests,
// but the node image's, are left empty: package imagelock resolves them at the
// images' first use.
func Registry() *Set {
	node, digest, _ := strings.Cut(kindimage.Image, "@")
	return &Set{
		Version:    FormatVersion,
		Source:     SourceRegistry,
		Kubernetes: node[strings.LastIndex(node, ":")+1:],
		Istio:      istioVersion,
		MetalLB:    metalLBVersion,
		NodeImage:  Image{Name: kindimage.Image, Digest: digest},
		Images: map[string]Image{
			"pilot":              {Name: istioHub + "/pilot:" + istioVersion},
			"proxyv2":            {Name: istioHub + "/proxyv2:" + istioVersion},
			"metallb-controller": {Name: "quay.io/metallb/controller:" + metalLBVersion},
			"metallb-speaker":    {Name: "quay.io/metallb/speaker:" + metalLBVersion},
			"helloworld-v1":      {Name: istioHub + "/examples-helloworld-v1:1.0"},
			"helloworld-v2":      {Name: istioHub + "/examples-helloworld-v2:1.0"},
			"sleep":              {Name: "docker.io/curlimages/curl:8.16.0"},
			// Vegeta's authors publish no image by exact version. This one, on Alpine
			// and so with a shell, is amd64 alone and older than the kit's 12.12.0;
			// the flags and the JSON that load uses are the same in both.
			"load": {Name: "docker.io/peterevans/vegeta:6.8.1-vegeta12.8.3", Architecture: "amd64"},
		},
		IstioHub: istioHub,
		IstioTag: istioVersion,
		Charts: map[string]Chart{
			"base":    {Name: "base", Version: istioVersion, Repo: istioCharts},
			"istiod":  {Name: "istiod", Version: istioVersion, Repo: istioCharts},
			"gateway": {Name: "gateway", Version: istioVersion, Repo: istioCharts},
			"metallb": {Name: "metallb", Version: "0.15.2", Repo: "https://metallb.github.io/metallb"},
		},
	}
}
