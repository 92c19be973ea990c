package component

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// PodAnnotations are the annotations of pods with a proxy.
//
// injected identifies what Istio injects. Pods are recreated when it changes, since a
// pod keeps the proxy and the network with which it was created. It is empty for
// short-lived pods.
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
