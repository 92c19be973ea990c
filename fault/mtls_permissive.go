package fault

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

var mtlsPermissive = ruleFault("mtls-permissive", "mTLS is permissive where strict is declared", peerAuthentications,
	func(u *unstructured.Unstructured) error {
		return unstructured.SetNestedField(u.Object, "PERMISSIVE", "spec", "mtls", "mode")
	})
