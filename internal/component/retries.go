package component

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// CountRetries is the annotation of pods whose proxy is to count the requests that it
// repeats. Istio's proxies leave that out, and the load of a drill is judged by it.
func CountRetries() pulumi.StringMap {
	return pulumi.StringMap{"sidecar.istio.io/statsInclusionSuffixes": pulumi.String("upstream_rq_retry")}
}
