package provider

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// Decode fills into, a pointer to a struct with json tags, from a property map.
// Secrets are taken for what they hold. Unknown values leave their field empty
// and are returned by path. A property that the struct does not have is an
// error, as is a value of another type.
func Decode(m resource.PropertyMap, into any) (unknown []string, err error) {
	p := plainer{}
	object := p.object(PlainMap(m), "")
	if p.err != nil {
		return nil, p.err
	}
	raw, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		var typed *json.UnmarshalTypeError
		if errors.As(err, &typed) {
			return nil, fmt.Errorf("property %q: expected %s, got %s", typed.Field, typed.Type, typed.Value)
		}
		// "json: unknown field "x"" is how encoding/json says it.
		return nil, errors.New(strings.Replace(strings.TrimPrefix(err.Error(), "json: "), "unknown field", "unknown property", 1))
	}
	slices.Sort(p.unknown)
	return p.unknown, nil
}

// plainer turns plain values into what encoding/json takes.
type plainer struct {
	unknown []string // paths
	err     error
}

func (p *plainer) object(m resource.PropertyMap, path string) map[string]any {
	out := map[string]any{}
	for _, k := range m.StableKeys() {
		if internal(k) || m[k].IsNull() {
			continue
		}
		at := strings.TrimPrefix(path+"."+string(k), ".")
		if v := p.value(m[k], at); v != nil {
			out[string(k)] = v
		}
	}
	return out
}

// value returns nil for an unknown value.
func (p *plainer) value(v resource.PropertyValue, path string) any {
	switch {
	case v.IsComputed():
		p.unknown = append(p.unknown, path)
		return nil
	case v.IsArray():
		items := []any{}
		for i, e := range v.ArrayValue() {
			items = append(items, p.value(e, fmt.Sprintf("%s[%d]", path, i)))
		}
		return items
	case v.IsObject():
		return p.object(v.ObjectValue(), path)
	case v.IsBool(), v.IsNumber(), v.IsString(), v.IsNull():
		return v.V
	}
	p.err = cmp.Or(p.err, fmt.Errorf("property %q: a value of type %s is not supported here", path, v.TypeString()))
	return nil
}

// Encode is the way back: the property map of a struct with json tags.
func Encode(v any) (resource.PropertyMap, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var object map[string]any
	if err := json.Unmarshal(raw, &object); err != nil {
		return nil, err
	}
	return resource.NewPropertyMapFromMap(object), nil
}

// internal says whether a key is the engine's or the SDK's own bookkeeping.
func internal(k resource.PropertyKey) bool { return strings.HasPrefix(string(k), "__") }

// Diff compares inputs and returns the difference by property path. Whether a value is
// a secret makes no difference. Properties for which replaces is true,
// by top-level name, make the difference a replacement.
func Diff(olds, news resource.PropertyMap, replaces func(resource.PropertyKey) bool) plugin.DiffResult {
	object := PlainMap(olds).Diff(PlainMap(news), internal)
	if object == nil || !object.AnyChanges() {
		return plugin.DiffResult{Changes: plugin.DiffNone}
	}
	result := plugin.DiffResult{
		Changes:      plugin.DiffSome,
		DetailedDiff: plugin.NewDetailedDiffFromObjectDiff(object, true),
	}
	for path, d := range result.DetailedDiff {
		key := resource.PropertyKey(topLevel([]string{path})[0])
		if replaces(key) {
			result.DetailedDiff[path] = d.ToReplace()
			result.ReplaceKeys = append(result.ReplaceKeys, key)
		}
		result.ChangedKeys = append(result.ChangedKeys, key)
	}
	slices.Sort(result.ChangedKeys)
	slices.Sort(result.ReplaceKeys)
	result.ChangedKeys, result.ReplaceKeys = slices.Compact(result.ChangedKeys), slices.Compact(result.ReplaceKeys)
	return result
}

// PlainMap returns m without the marks of secrets and outputs, at every depth; nil
// stays nil.
func PlainMap(m resource.PropertyMap) resource.PropertyMap {
	if m == nil {
		return nil
	}
	out := make(resource.PropertyMap, len(m))
	for k, v := range m {
		out[k] = Plain(v)
	}
	return out
}

// Plain is PlainMap for one value.
func Plain(v resource.PropertyValue) resource.PropertyValue {
	switch {
	case v.IsSecret():
		return Plain(v.SecretValue().Element)
	case v.IsOutput() && v.OutputValue().Known:
		return Plain(v.OutputValue().Element)
	case v.IsOutput():
		return Unknown()
	case v.IsArray():
		items := make([]resource.PropertyValue, len(v.ArrayValue()))
		for i, e := range v.ArrayValue() {
			items[i] = Plain(e)
		}
		return resource.NewArrayProperty(items)
	case v.IsObject():
		return resource.NewObjectProperty(PlainMap(v.ObjectValue()))
	}
	return v
}

// Text is the string that v is or keeps secret, "" for any other value.
func Text(v resource.PropertyValue) string {
	if v.IsSecret() {
		v = v.SecretValue().Element
	}
	if v.IsString() {
		return v.StringValue()
	}
	return ""
}

// Unknown is the value of an output that is known after the update only.
func Unknown() resource.PropertyValue {
	return resource.MakeComputed(resource.NewStringProperty(""))
}
