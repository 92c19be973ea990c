package artifacts

import (
	"strings"

	kindimage "sigs.k8s.io/kind/pkg/apis/config/defaults"
)

// Versions of what a lab is made of when it comes from the official registries.
// They follow the airgap kit's, except that nodes are what kind's library was
// released with, by version and digest.
const (
	istioVersion   = "1.31.0"
	metalLBVersion = "v0.15.2"
)

// istioHub is where Istio publishes since 1.30, as the charts' own source says.
const istioHub = "registry.istio.io/release"

// Registry is the set of official images and charts by exact version. Digests,
// but the node image's, are left empty: package imagelock resolves them at the
// images' first use.
func Registry() *Set {
	const istioCharts = "https://istio-release.storage.googleapis.com/charts"
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
