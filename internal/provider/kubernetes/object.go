package kubernetes

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshwright/meshwright/internal/provider"
)

// Objects are handled as JSON trees (map[string]any, []any, string, bool, int64
// and float64), with this string where a value is not known yet, and without
// secretness, which is put back from the inputs by markSecrets.
const unknown = plugin.UnknownStringValue

// dashed are keys of JSON Schema inside a CustomResourceDefinition by how the SDKs
// write them, which cannot write dashes; underscored is the other way round.
var dashed, underscored = func() (map[string]string, map[string]string) {
	to, from := map[string]string{}, map[string]string{}
	for _, name := range strings.Fields("embedded-resource int-or-string list-map-keys list-type map-type preserve-unknown-fields validations") {
		key := "x-kubernetes-" + name
		sdk := strings.ReplaceAll(key, "-", "_")
		to[sdk], from[key] = key, sdk
	}
	return to, from
}()

// inSDK is a tree's key as the SDKs write it.
func inSDK(key string) string { return cmp.Or(underscored[key], key) }

// toTree turns properties into a tree, leaving out nulls.
func toTree(m resource.PropertyMap) map[string]any {
	undashed := func(key string) (string, bool) { return dashed[key], dashed[key] != "" }
	return withoutNulls(provider.PlainMap(m).MapRepl(undashed, treeValue)).(map[string]any)
}

// treeValue is for MapRepl: it returns what a tree has in place of a plain value, null
// for what it cannot have.
func treeValue(v resource.PropertyValue) (any, bool) {
	switch {
	case v.IsComputed():
		return unknown, true
	case v.IsNumber():
		n := v.NumberValue()
		if n == math.Trunc(n) && math.Abs(n) < 1<<53 {
			return int64(n), true
		}
	case v.IsAsset(), v.IsArchive(), v.IsResourceReference():
		return nil, true
	}
	return nil, false
}

// toProperties is the way back.
func toProperties(tree map[string]any) resource.PropertyMap {
	return toProperty(tree).ObjectValue()
}

func toProperty(v any) resource.PropertyValue {
	return resource.NewPropertyValueRepl(withoutNulls(v), func(key string) (resource.PropertyKey, bool) { return keyOf(inSDK(key)), true },
		func(v any) (resource.PropertyValue, bool) { return provider.Unknown(), v == unknown })
}

func withoutNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			if e != nil {
				out[k] = withoutNulls(e)
			}
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			if e != nil {
				out = append(out, withoutNulls(e))
			}
		}
		return out
	}
	return v
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
