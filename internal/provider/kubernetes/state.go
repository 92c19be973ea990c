package kubernetes

import (
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshwright/meshwright/internal/provider"
)

// Keys of a resource's state that are the provider's own, as the official
// provider writes them.
const (
	keyInputs       = "__inputs"
	keyAPIVersion   = "__initialApiVersion"
	keyFieldManager = "__fieldManager"
	// lastApplied repeats the whole object, secrets included, as one string.
	lastApplied = "kubectl.kubernetes.io/last-applied-configuration"
)

// checkpoint is a resource's state: the live object and the provider's keys.
// What is secret in from, the inputs as they came, is secret in it.
func checkpoint(live, inputs *unstructured.Unstructured, from resource.PropertyMap, apiVersion, manager string) resource.PropertyMap {
	live = live.DeepCopy()
	unstructured.RemoveNestedField(live.Object, "metadata", "managedFields")
	if from.ContainsSecrets() || isSecret(live) {
		unstructured.RemoveNestedField(live.Object, "metadata", "annotations", lastApplied)
	}
	out, in := toProperties(live.Object), toProperties(inputs.Object)
	markSecrets(out, from)
	markSecrets(in, from)
	if isSecret(live) {
		hideData(out)
		hideData(in)
	}
	out[keyInputs] = resource.NewProperty(in)
	out[keyAPIVersion] = resource.NewProperty(apiVersion)
	out[keyFieldManager] = resource.NewProperty(manager)
	return out
}

// parseState returns the live object and the inputs of a state, and its field
// manager, empty when the state is not from this provider.
func parseState(state resource.PropertyMap) (live, inputs *unstructured.Unstructured, manager string) {
	tree := toTree(state)
	in, _ := tree[keyInputs].(map[string]any)
	manager, _ = tree[keyFieldManager].(string)
	for _, key := range []string{keyInputs, keyAPIVersion, keyFieldManager} {
		delete(tree, key)
	}
	if in == nil {
		in = map[string]any{}
	}
	return &unstructured.Unstructured{Object: tree}, &unstructured.Unstructured{Object: in}, manager
}

func initialAPIVersion(state resource.PropertyMap, fallback string) string {
	if v := provider.Plain(state[keyAPIVersion]); v.IsString() {
		return v.StringValue()
	}
	return fallback
}

// isSecret says whether the object is a core Secret.
func isSecret(obj *unstructured.Unstructured) bool {
	return obj.GetKind() == "Secret" && (obj.GetAPIVersion() == "v1" || obj.GetAPIVersion() == "core/v1")
}

// hideData makes a Secret's contents secret as a whole.
func hideData(props resource.PropertyMap) {
	for _, key := range []resource.PropertyKey{"data", "stringData"} {
		if v, ok := props[key]; ok && !v.IsSecret() && !v.IsComputed() {
			props[key] = resource.MakeSecret(provider.Plain(v))
		}
	}
}

// markSecrets makes secret in props what is secret in from. Where lists differ
// in length their elements cannot be told apart, and the whole list is secret.
func markSecrets(props, from resource.PropertyMap) {
	for k, f := range from {
		if v, ok := props[k]; ok {
			props[k] = markSecret(v, f)
		}
	}
}

func markSecret(v, from resource.PropertyValue) resource.PropertyValue {
	switch {
	case v.IsSecret():
		return v
	case from.IsSecret():
		if v.IsComputed() {
			return v
		}
		return resource.MakeSecret(provider.Plain(v))
	case from.IsObject() && v.IsObject():
		markSecrets(v.ObjectValue(), from.ObjectValue())
	case from.IsArray() && v.IsArray():
		list, ref := v.ArrayValue(), from.ArrayValue()
		if len(list) != len(ref) && from.ContainsSecrets() {
			return resource.MakeSecret(provider.Plain(v))
		}
		for i := range min(len(list), len(ref)) {
			list[i] = markSecret(list[i], ref[i])
		}
	}
	return v
}
