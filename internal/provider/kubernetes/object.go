package kubernetes

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Objects are handled as JSON trees (map[string]any, []any, string, bool, int64
// and float64), with this string where a value is not known yet, and without
// secretness, which is put back from the inputs by markSecrets.
const unknown = plugin.UnknownStringValue

// Keys of JSON Schema inside a CustomResourceDefinition, whose dashes the SDKs
// cannot write.
var dashed = map[string]string{
	"x_kubernetes_embedded_resource":       "x-kubernetes-embedded-resource",
	"x_kubernetes_int_or_string":           "x-kubernetes-int-or-string",
	"x_kubernetes_list_map_keys":           "x-kubernetes-list-map-keys",
	"x_kubernetes_list_type":               "x-kubernetes-list-type",
	"x_kubernetes_map_type":                "x-kubernetes-map-type",
	"x_kubernetes_preserve_unknown_fields": "x-kubernetes-preserve-unknown-fields",
	"x_kubernetes_validations":             "x-kubernetes-validations",
}

var underscored = func() map[string]string {
	m := map[string]string{}
	for k, v := range dashed {
		m[v] = k
	}
	return m
}()

// inSDK is a tree's key as the SDKs write it.
func inSDK(key string) string { return cmp.Or(underscored[key], key) }

// toTree turns properties into a tree, leaving out nulls.
func toTree(m resource.PropertyMap) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		tree, ok := toValue(v)
		if !ok {
			continue
		}
		out[cmp.Or(dashed[string(k)], string(k))] = tree
	}
	return out
}

// toValue returns false for a null.
func toValue(v resource.PropertyValue) (any, bool) {
	switch {
	case v.IsSecret():
		return toValue(v.SecretValue().Element)
	case v.IsComputed():
		return unknown, true
	case v.IsOutput():
		if out := v.OutputValue(); out.Known {
			return toValue(out.Element)
		}
		return unknown, true
	case v.IsString():
		return v.StringValue(), true
	case v.IsBool():
		return v.BoolValue(), true
	case v.IsNumber():
		n := v.NumberValue()
		if n == math.Trunc(n) && math.Abs(n) < 1<<53 {
			return int64(n), true
		}
		return n, true
	case v.IsArray():
		list := make([]any, 0, len(v.ArrayValue()))
		for _, e := range v.ArrayValue() {
			if tree, ok := toValue(e); ok {
				list = append(list, tree)
			}
		}
		return list, true
	case v.IsObject():
		return toTree(v.ObjectValue()), true
	}
	return nil, false
}

// toProperties is the way back.
func toProperties(tree map[string]any) resource.PropertyMap {
	out := make(resource.PropertyMap, len(tree))
	for k, v := range tree {
		if v == nil {
			continue
		}
		out[keyOf(inSDK(k))] = toProperty(v)
	}
	return out
}

func toProperty(v any) resource.PropertyValue {
	switch v := v.(type) {
	case map[string]any:
		return resource.NewProperty(toProperties(v))
	case []any:
		list := make([]resource.PropertyValue, len(v))
		for i, e := range v {
			list[i] = toProperty(e)
		}
		return resource.NewProperty(list)
	case string:
		if v == unknown {
			return resource.MakeComputed(resource.NewProperty(""))
		}
		return resource.NewProperty(v)
	case nil:
		return resource.NewNullProperty()
	}
	return resource.NewPropertyValue(v)
}

func hasUnknown(v any) bool {
	switch v := v.(type) {
	case string:
		return v == unknown
	case map[string]any:
		for _, e := range v {
			if hasUnknown(e) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, hasUnknown)
	}
	return false
}

func parseJSON(s string) (resource.PropertyMap, error) {
	var m map[string]any
	if err := json.Unmarshal([]byte(s), &m); err != nil {
		return nil, err
	}
	return resource.NewPropertyMapFromMap(m), nil
}

// mapAt returns the map at a path, or nil.
func mapAt(tree map[string]any, path ...string) map[string]any {
	for _, key := range path {
		next, ok := tree[key].(map[string]any)
		if !ok {
			return nil
		}
		tree = next
	}
	return tree
}

// ensureMap returns the map under key, made when missing; nil when something
// else is there, such as an unknown.
func ensureMap(tree map[string]any, key string) map[string]any {
	switch v := tree[key].(type) {
	case map[string]any:
		return v
	case nil:
		m := map[string]any{}
		tree[key] = m
		return m
	}
	return nil
}

func annotation(obj *unstructured.Unstructured, key string) string {
	s, _ := mapAt(obj.Object, "metadata", "annotations")[key].(string)
	return s
}

// jsonTree returns v as a tree of the types named above.
func jsonTree(v map[string]any) map[string]any {
	raw, err := json.Marshal(v)
	if err != nil {
		return v
	}
	m, err := parseJSON(string(raw))
	if err != nil {
		return v
	}
	return toTree(m)
}
