package component

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// PodAnnotations returns the annotations of pods with a sidecar.
//
// Pods roll out again when injected changes, which describes what Istio injects: a pod
// keeps its sidecar and its network until it is deleted. It is empty for short-lived
// pods.
//
// With countRetries the proxy counts the requests that it repeats, which a drill reports.
// By default Istio's proxies do not.
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
