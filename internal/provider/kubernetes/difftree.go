package kubernetes

import (
	"reflect"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// change is one difference between two trees.
type change struct {
	path resource.PropertyPath
	kind plugin.DiffKind
}

// compare lists the differences between two trees, at the deepest paths.
// An unknown value differs from every value.
func compare(path resource.PropertyPath, before, after any) []change {
	at := func(key any) resource.PropertyPath {
		return append(append(resource.PropertyPath{}, path...), key)
	}
	switch a := after.(type) {
	case map[string]any:
		b, ok := before.(map[string]any)
		if !ok {
			return []change{{path, plugin.DiffUpdate}}
		}
		var out []change
		for k, v := range a {
			if bv, ok := b[k]; ok {
				out = append(out, compare(at(inSDK(k)), bv, v)...)
			} else {
				out = append(out, change{at(inSDK(k)), plugin.DiffAdd})
			}
		}
		for k := range b {
			if _, ok := a[k]; !ok {
				out = append(out, change{at(inSDK(k)), plugin.DiffDelete})
			}
		}
		return out
	case []any:
		b, ok := before.([]any)
		if !ok {
			return []change{{path, plugin.DiffUpdate}}
		}
		var out []change
		for i := range max(len(a), len(b)) {
			switch {
			case i >= len(b):
				out = append(out, change{at(i), plugin.DiffAdd})
			case i >= len(a):
				out = append(out, change{at(i), plugin.DiffDelete})
			default:
				out = append(out, compare(at(i), b[i], a[i])...)
			}
		}
		return out
	}
	if after != unknown && equalValues(before, after) {
		return nil
	}
	return []change{{path, plugin.DiffUpdate}}
}

func equalValues(a, b any) bool {
	fa, aok := asFloat(a)
	fb, bok := asFloat(b)
	if aok && bok {
		return fa == fb
	}
	return reflect.DeepEqual(a, b)
}

func asFloat(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	case int:
		return float64(n), true
	}
	return 0, false
}

// differences is compare without what the ignoreChanges paths cover. Changes of the
// replacing fields replace.
func differences(before, after map[string]any, ignore, replacing []string) []change {
	changes := slices.DeleteFunc(compare(nil, before, after), func(c change) bool {
		return slices.ContainsFunc(ignore, func(pattern string) bool {
			path, err := resource.ParsePropertyPath(pattern)
			return err == nil && path.Contains(c.path)
		})
	})
	for i, c := range changes {
		if slices.ContainsFunc(replacing, c.under) {
			changes[i].kind = c.kind.AsReplace()
		}
	}
	return changes
}

// under says whether the change is at or below field, or takes it away with a
// parent. field is dotted, without indices: spec.template covers
// spec.template.spec.containers[0].image.
func (c change) under(field string) bool {
	keys, want := textKeys(c.path), strings.Split(field, ".")
	n := min(len(keys), len(want))
	return slices.Equal(keys[:n], want[:n])
}

// textKeys are the keys of a path without its indices.
func textKeys(path resource.PropertyPath) []string {
	var keys []string
	for _, k := range path {
		if s, ok := k.(string); ok {
			keys = append(keys, s)
		}
	}
	return keys
}

func (c change) isReplace() bool { return c.kind.IsReplace() }

// answer turns changes into the engine's form.
func answer(changes []change) plugin.DiffResponse {
	res := plugin.DiffResponse{Changes: plugin.DiffNone, DetailedDiff: map[string]plugin.PropertyDiff{}}
	for _, c := range changes {
		res.Changes = plugin.DiffSome
		// A deletion is shown from the inputs, since the live object has more below it
		// than was asked for.
		deletes := c.kind == plugin.DiffDelete || c.kind == plugin.DiffDeleteReplace
		res.DetailedDiff[c.path.String()] = plugin.PropertyDiff{Kind: c.kind, InputDiff: deletes}
		if c.isReplace() {
			res.ReplaceKeys = append(res.ReplaceKeys, keyOf(c.path.String()))
		}
	}
	return res
}

func keyOf(s string) resource.PropertyKey { return resource.PropertyKey(s) }
