package component

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// PodAnnotations are those of pods with a proxy.
//
// Pods are made anew when injected changes, which names what Istio injects into
// them: a pod keeps the proxy, and the network, that it was born with. It is empty for
// pods that do not live long enough.
//
// With countRetries the proxy counts the requests that it repeats. Istio's proxies
// leave that out, and the load of a drill is judged by it.
func PodAnnotations(injected string, countRetries bool) pulumi.StringMap {
	annotations := pulumi.StringMap{}
	if injected != "" {
		annotations["meshwright.dev/injected"] = pulumi.String(injected)
	}
	if countRetries {
		annotations["sidecar.istio.io/statsInclusionSuffixes"] = pulumi.String("upstream_rq_retry")
	}
	return annotations
}
