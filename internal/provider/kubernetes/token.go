package kubernetes

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// releaseType is the token of a Helm release.
const releaseType = tokens.Type("kubernetes:helm.sh/v3:Release")

// gvkOf reads a kind from a token such as kubernetes:apps/v1:Deployment, where
// the core group is written core, or v1 alone in custom resources.
func gvkOf(typ tokens.Type) (schema.GroupVersionKind, error) {
	parts := strings.Split(string(typ), ":")
	if len(parts) != 3 || parts[0] != "kubernetes" {
		return schema.GroupVersionKind{}, fmt.Errorf("%s is not a type of the Kubernetes provider", typ)
	}
	module, kind := parts[1], parts[2]
	switch module {
	case "helm.sh/v3", "helm.sh/v4", "yaml", "yaml/v2", "kustomize", "kustomize/v2":
		return schema.GroupVersionKind{}, fmt.Errorf(
			"%s is not part of the embedded Kubernetes provider; of Helm's types it has kubernetes:helm.sh/v3:Release, the rest needs the official plugin", typ)
	}
	group, version, ok := strings.Cut(module, "/")
	if !ok {
		group, version = "", module
	}
	if group == "core" {
		group = ""
	}
	return schema.GroupVersionKind{Group: group, Version: version, Kind: kind}, nil
}

// isList says whether the token names a list of a kind, such as core/v1:PodList.
func isList(typ tokens.Type, obj *unstructured.Unstructured) bool {
	return obj.GetKind() == "List" || strings.HasSuffix(string(typ), "List") && strings.HasSuffix(obj.GetKind(), "List") && obj.Object["spec"] == nil && obj.Object["items"] != nil
}

// isPatch says whether the resource manages some fields of an object that
// belongs to someone else: its token ends in Patch and its kind does not.
func isPatch(typ tokens.Type, kind string) bool {
	return strings.HasSuffix(string(typ), "Patch") && !strings.HasSuffix(kind, "Patch")
}

// isCRD says whether the object defines a kind.
func isCRD(obj *unstructured.Unstructured) bool {
	return obj.GroupVersionKind().GroupKind() == groupKind("apiextensions.k8s.io", "CustomResourceDefinition")
}

// idOf is a resource's ID: namespace/name, or the name of a cluster's object.
func idOf(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

// identity is an object of which only its identity is known.
func identity(gvk schema.GroupVersionKind, namespace, name string) *unstructured.Unstructured {
	obj := &unstructured.Unstructured{Object: map[string]any{}}
	obj.SetGroupVersionKind(gvk)
	obj.SetNamespace(namespace)
	obj.SetName(name)
	return obj
}

func parseID(id string) (namespace, name string) {
	if ns, n, ok := strings.Cut(id, "/"); ok {
		return ns, n
	}
	return "", id
}
