package kubernetes

import (
	"encoding/base64"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
)

// readOnly are the fields of metadata that only the API server writes.
var readOnly = []string{
	"creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp",
	"generation", "managedFields", "resourceVersion", "selfLink", "uid",
}

func removeReadOnly(obj *unstructured.Unstructured) {
	for _, field := range readOnly {
		unstructured.RemoveNestedField(obj.Object, "metadata", field)
	}
}

// normalize returns the object in the form in which the API server would store
// it, as far as that is known here: quantities and integers of built-in kinds
// in canonical form, empty optional fields left out, a Secret's stringData moved
// to data. Fields that the built-in type does not have are kept, so that the API
// server names them. Custom resources, and objects with unknown values, keep
// their form. obj stays as it is.
func normalize(obj *unstructured.Unstructured) *unstructured.Unstructured {
	out := obj.DeepCopy()
	removeReadOnly(out)
	if isSecret(out) {
		mergeStringData(out.Object)
	}
	gvk := out.GroupVersionKind()
	if hasUnknown(out.Object) || !scheme.Scheme.Recognizes(gvk) {
		return out
	}
	typed, err := scheme.Scheme.New(gvk)
	if err != nil {
		return out
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(out.Object, typed); err != nil {
		return out // the API server has the better words for what is wrong
	}
	canonical, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		return out
	}
	out.Object = reshape(out.Object, canonical).(map[string]any)
	out.SetGroupVersionKind(gvk)
	return out
}

// reshape returns the canonical values of what given has, and nothing more.
func reshape(given, canonical any) any {
	switch g := given.(type) {
	case map[string]any:
		c, ok := canonical.(map[string]any)
		if !ok {
			return canonical
		}
		out := make(map[string]any, len(g))
		for k, v := range g {
			if cv, ok := c[k]; ok && cv != nil {
				out[k] = reshape(v, cv)
			} else if !isEmpty(v) {
				out[k] = v
			}
		}
		return out
	case []any:
		c, ok := canonical.([]any)
		if !ok || len(c) != len(g) {
			return given
		}
		out := make([]any, len(g))
		for i := range g {
			out[i] = reshape(g[i], c[i])
		}
		return out
	}
	return canonical
}

func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case int64:
		return v == 0
	case float64:
		return v == 0
	case map[string]any:
		for _, e := range v {
			if !isEmpty(e) {
				return false
			}
		}
		return true
	case []any:
		return len(v) == 0
	}
	return false
}

// mergeStringData does what the API server does on write: stringData wins over
// data. Unknown values stay unknown.
func mergeStringData(tree map[string]any) {
	switch s := tree["stringData"].(type) {
	case map[string]any:
		data := ensureMap(tree, "data")
		if data == nil {
			return
		}
		for k, v := range s {
			if text, ok := v.(string); ok && text != unknown {
				data[k] = base64.StdEncoding.EncodeToString([]byte(text))
			} else {
				data[k] = unknown
			}
		}
	case string:
		tree["data"] = unknown
	}
	delete(tree, "stringData")
}

// prune returns of live what shape has: the fields that the inputs set. Items
// that others added to a list are left out, since their owners keep them.
func prune(live, shape any) any {
	switch s := shape.(type) {
	case map[string]any:
		l, ok := live.(map[string]any)
		if !ok {
			return live
		}
		out := make(map[string]any, len(s))
		for k, v := range s {
			if lv, ok := l[k]; ok && lv != nil {
				out[k] = prune(lv, v)
			}
		}
		return out
	case []any:
		l, ok := live.([]any)
		if !ok {
			return live
		}
		return pruneList(l, s)
	}
	return live
}

func pruneList(live, shape []any) []any {
	if byName := named(live); byName != nil {
		if names := named(shape); names != nil {
			out := make([]any, 0, len(shape))
			for _, s := range shape {
				if l, ok := byName[s.(map[string]any)["name"].(string)]; ok {
					out = append(out, prune(l, s))
				}
			}
			return out
		}
	}
	out := make([]any, 0, len(shape))
	for i := range min(len(live), len(shape)) {
		out = append(out, prune(live[i], shape[i]))
	}
	return out
}

// named indexes a list whose elements all have distinct names, such as
// containers or ports. It returns nil for any other list.
func named(list []any) map[string]any {
	out := make(map[string]any, len(list))
	for _, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			return nil
		}
		name, ok := m["name"].(string)
		if !ok {
			return nil
		}
		out[name] = e
	}
	if len(out) != len(list) || len(out) == 0 {
		return nil
	}
	return out
}
