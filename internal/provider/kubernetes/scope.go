package kubernetes

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// clusterScoped are the built-in kinds that have no namespace, by group.
var clusterScoped = map[string][]string{
	"":                             {"Namespace", "Node", "PersistentVolume"},
	"apiextensions.k8s.io":         {"CustomResourceDefinition"},
	"apiregistration.k8s.io":       {"APIService"},
	"rbac.authorization.k8s.io":    {"ClusterRole", "ClusterRoleBinding"},
	"admissionregistration.k8s.io": {"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"},
	"storage.k8s.io":               {"StorageClass", "CSIDriver", "CSINode", "VolumeAttachment", "VolumeAttributesClass"},
	"networking.k8s.io":            {"IngressClass", "IPAddress", "ServiceCIDR"},
	"scheduling.k8s.io":            {"PriorityClass"},
	"node.k8s.io":                  {"RuntimeClass"},
	"flowcontrol.apiserver.k8s.io": {"FlowSchema", "PriorityLevelConfiguration"},
	"certificates.k8s.io":          {"CertificateSigningRequest", "ClusterTrustBundle"},
	"resource.k8s.io":              {"DeviceClass", "ResourceSlice"},
	"storagemigration.k8s.io":      {"StorageVersionMigration"},
	"internal.apiserver.k8s.io":    {"StorageVersion"},
}

// namespaced says whether a kind lives in namespaces, and whether that is known:
// of built-in kinds it is, of others the API server is asked.
func (c *cluster) namespaced(ctx context.Context, gvk schema.GroupVersionKind) (is, known bool) {
	if slices.Contains(clusterScoped[gvk.Group], gvk.Kind) {
		return false, true
	}
	if scheme.Scheme.Recognizes(gvk) {
		return true, true
	}
	if c.reach(ctx, true) != nil {
		return false, false
	}
	m, err := c.mappingFor(ctx, gvk)
	return m.namespaced, err == nil
}
