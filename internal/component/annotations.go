package component

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// CountRetries is the annotation of pods whose proxy is to count the requests that it
// repeats. Istio's proxies leave that out, and the load of a drill is judged by it.
func CountRetries() pulumi.StringMap {
	return pulumi.StringMap{"sidecar.istio.io/statsInclusionSuffixes": pulumi.String("upstream_rq_retry")}
}

// Injected is the annotation of pods that are made anew when what Istio injects into
// them changes: a pod keeps the proxy, and the network, that it was born with. Pods
// that nobody says it of have none.
func Injected(what string) pulumi.StringMap {
	if what == "" {
		return pulumi.StringMap{}
	}
	return pulumi.StringMap{"meshwright.dev/injected": pulumi.String(what)}
}
