package artifacts

// Versions of what a lab is made of when it comes from the official registries.
// They follow the airgap kit's so that the two sources differ in names alone.
const (
	kubernetesVersion = "v1.35.4"
	istioVersion      = "1.31.0"
	metalLBVersion    = "v0.15.2"
)

// Registry is the set of official images and charts by exact version. Digests
// are left empty: they are resolved when the images are first used.
func Registry() *Set {
	const istioCharts = "https://istio-release.storage.googleapis.com/charts"
	return &Set{
		Version:    FormatVersion,
		Source:     SourceRegistry,
		Kubernetes: kubernetesVersion,
		Istio:      istioVersion,
		MetalLB:    metalLBVersion,
		NodeImage:  Image{Name: "kindest/node:" + kubernetesVersion},
		Images: map[string]Image{
			"pilot":              {Name: "docker.io/istio/pilot:" + istioVersion},
			"proxyv2":            {Name: "docker.io/istio/proxyv2:" + istioVersion},
			"metallb-controller": {Name: "quay.io/metallb/controller:" + metalLBVersion},
			"metallb-speaker":    {Name: "quay.io/metallb/speaker:" + metalLBVersion},
			"helloworld-v1":      {Name: "docker.io/istio/examples-helloworld-v1:1.0"},
			"helloworld-v2":      {Name: "docker.io/istio/examples-helloworld-v2:1.0"},
			"sleep":              {Name: "docker.io/curlimages/curl:8.16.0"},
			// Vegeta's authors publish no image by exact version. This one, on Alpine
			// and so with a shell, is amd64 alone and older than the kit's 12.12.0;
			// the flags and the JSON that load uses are the same in both.
			"load": {Name: "docker.io/peterevans/vegeta:6.8.1-vegeta12.8.3"},
		},
		IstioHub: "docker.io/istio",
		IstioTag: istioVersion,
		Charts: map[string]Chart{
			"base":    {Name: "base", Version: istioVersion, Repo: istioCharts},
			"istiod":  {Name: "istiod", Version: istioVersion, Repo: istioCharts},
			"gateway": {Name: "gateway", Version: istioVersion, Repo: istioCharts},
			"metallb": {Name: "metallb", Version: "0.15.2", Repo: "https://metallb.github.io/metallb"},
		},
	}
}
