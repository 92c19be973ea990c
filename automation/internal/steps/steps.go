// Package steps turns the engine's steps into what becomes of a stack, for a report of
// package changes. It owns the names of the clusters that resources belong to, and
// keeps secrets out.
package steps

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/sig"

	"github.com/meshwright/meshwright/automation/changes"
	"github.com/meshwright/meshwright/automation/events"
	"github.com/meshwright/meshwright/internal/provider"
)

// fates are what becomes of a resource by the engine's op. Of the steps of a
// replacement the logical one stands for all.
var fates = map[apitype.OpType]string{
	apitype.OpSame: changes.Same, apitype.OpRead: changes.Same, apitype.OpRefresh: changes.Same,
	apitype.OpCreate: changes.Added, apitype.OpImport: changes.Added,
	apitype.OpUpdate:  changes.Changed,
	apitype.OpReplace: changes.Replaced, apitype.OpReadReplacement: changes.Replaced, apitype.OpImportReplacement: changes.Replaced,
	apitype.OpDelete: changes.Removed,
}

// Describe turns the steps of a preview, or of an update from nothing, into what becomes of a stack. Texts that
// secrets holds are masked wherever they stand.
func Describe(stack string, steps []apitype.StepEventMetadata, secrets *changes.Secrets) changes.Stack {
	out := changes.Stack{Name: stack, What: changes.Same}
	names := clusterNames(steps)
	clusters := map[string]*changes.Cluster{}
	seen := map[string]bool{}
	for _, m := range steps {
		what, ok := fates[m.Op]
		if !ok || seen[m.URN] {
			continue
		}
		seen[m.URN] = true
		out.Counts.Add(what)
		if what == changes.Same {
			continue
		}
		out.What = changes.Changed
		hideSecretData(m, secrets)
		v := viewer{secrets}
		r := changes.Resource{What: what, Type: secrets.Mask(m.Type)}
		_, name := events.TypeAndName(m.URN)
		r.Name = secrets.Mask(name)
		r.Properties = v.properties(m)
		if what == changes.Replaced {
			r.Because = v.because(m, r.Properties)
		}
		owner := clusterOf(names, name, m.Provider)
		c := clusters[owner]
		if c == nil {
			c = &changes.Cluster{Name: owner}
			clusters[owner] = c
		}
		c.Resources = append(c.Resources, r)
		if m.Type == kindCluster && what != changes.Changed {
			c.What = what
		}
	}
	for _, name := range slices.Sorted(maps.Keys(clusters)) {
		out.Clusters = append(out.Clusters, *clusters[name])
	}
	return out
}

// hideSecretData marks the contents of Kubernetes Secrets as secret. The provider does
// so when the engine asks it, but not for a cluster that does not exist yet.
func hideSecretData(m apitype.StepEventMetadata, secrets *changes.Secrets) {
	if !strings.HasPrefix(m.Type, "kubernetes:core/v1:Secret") {
		return
	}
	for _, state := range []*apitype.StepEventStateMetadata{m.Old, m.New} {
		if state == nil {
			continue
		}
		for _, values := range []map[string]any{state.Inputs, state.Outputs} {
			for _, key := range []string{"data", "stringData", "items"} {
				if v, ok := values[key]; ok {
					provider.LeafSecrets(resource.PropertyMap{"": resource.MakeSecret(resource.NewPropertyValue(v))}, secrets.Add)
					values[key] = map[string]any{sig.Key: sig.Secret}
				}
			}
		}
	}
}

const (
	kindCluster        = "meshwright:kind:Cluster"
	kubernetesProvider = "pulumi:providers:kubernetes"
)

// clusterNames are the clusters of the steps, found by the names of the resources that
// create them and of the providers that deploy into them.
func clusterNames(steps []apitype.StepEventMetadata) []string {
	found := map[string]bool{}
	for _, m := range steps {
		_, name := events.TypeAndName(m.URN)
		for typ, role := range map[string]string{kindCluster: "-kind", kubernetesProvider: "-kubernetes"} {
			if cluster, ok := strings.CutSuffix(name, role); m.Type == typ && ok {
				found[cluster] = true
			}
		}
	}
	// A cluster's name may begin with another's.
	return slices.SortedFunc(maps.Keys(found), func(a, b string) int {
		return cmp.Or(len(b)-len(a), strings.Compare(a, b))
	})
}

// clusterOf names the cluster that a resource belongs to: the one that it is
// deployed into, else the one that its name begins with.
func clusterOf(clusters []string, name, providerRef string) string {
	if i := strings.LastIndex(providerRef, "::"); i >= 0 { // the provider's ID follows its URN
		_, by := events.TypeAndName(providerRef[:i])
		if cluster, ok := strings.CutSuffix(by, "-kubernetes"); ok && slices.Contains(clusters, cluster) {
			return cluster
		}
	}
	for _, cluster := range clusters {
		if name == cluster || strings.HasPrefix(name, cluster+"-") {
			return cluster
		}
	}
	return ""
}

// viewer shows values of the engine's events, which mark secrets instead of
// holding them.
type viewer struct{ secrets *changes.Secrets }

func (v viewer) properties(m apitype.StepEventMetadata) []changes.Property {
	switch {
	case m.Op == apitype.OpDelete || m.New == nil:
		return nil // it is gone
	case m.Old == nil || m.Op == apitype.OpCreate:
		var out []changes.Property
		v.leaves(nil, m.New.Inputs, &out)
		return out
	}
	diffs := m.DetailedDiff
	if len(diffs) == 0 {
		diffs = map[string]apitype.PropertyDiff{}
		for _, key := range append(m.Diffs, m.Keys...) {
			diffs[key] = apitype.PropertyDiff{Kind: apitype.DiffUpdate, InputDiff: true}
		}
	}
	byPath := map[string]changes.Property{}
	for text, d := range diffs {
		path, err := resource.ParsePropertyPath(text)
		if err != nil {
			path = resource.PropertyPath{text}
		}
		p := changes.Property{Replaces: slices.Contains([]apitype.DiffKind{apitype.DiffAddReplace, apitype.DiffDeleteReplace, apitype.DiffUpdateReplace}, d.Kind) || slices.Contains(m.Keys, text)}
		// What differs is shown from the inputs where they differ: outputs hold what
		// a cluster made of them.
		old, oldDepth := lookup(m.Old.Inputs, path)
		now, newDepth := lookup(m.New.Inputs, path)
		if !d.InputDiff {
			if out, depth := lookup(m.Old.Outputs, path); old == nil || out != nil && same(old, now) {
				old, oldDepth = out, depth
			}
		}
		// Nothing below a secret is named: a key can say as much as a value.
		if depth := min(oldDepth, newDepth); depth < len(path) {
			path = path[:depth]
			if old != nil {
				old = changes.Secret
			}
			if now != nil {
				now = changes.Secret
			}
		}
		p.Path = v.secrets.Mask(path.String())
		p.Old, p.New = v.value(old), v.value(now)
		if p.Old == changes.Secret && p.New != nil || p.New == changes.Secret && p.Old != nil {
			p.Old, p.New = changes.Secret, changes.Secret // a value that becomes secret is one already
		}
		if before, ok := byPath[p.Path]; ok {
			p.Replaces = p.Replaces || before.Replaces
		}
		byPath[p.Path] = p
	}
	out := make([]changes.Property, 0, len(byPath))
	for _, path := range slices.Sorted(maps.Keys(byPath)) {
		out = append(out, byPath[path])
	}
	return out
}

// because names the properties that force a replacement: those of the diff, else
// the engine's keys.
func (v viewer) because(m apitype.StepEventMetadata, properties []changes.Property) []string {
	var out []string
	for _, p := range properties {
		if p.Replaces {
			out = append(out, p.Path)
		}
	}
	if len(out) == 0 {
		for _, key := range m.Keys {
			out = append(out, v.secrets.Mask(key))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// leaves lists the values of an object at their paths.
func (v viewer) leaves(path resource.PropertyPath, value any, out *[]changes.Property) {
	at := func(key any) resource.PropertyPath { return append(slices.Clone(path), key) }
	switch val := value.(type) {
	case map[string]any:
		if signed(val) == "" && len(val) > 0 {
			for _, key := range slices.Sorted(maps.Keys(val)) {
				if !strings.HasPrefix(key, "__") {
					v.leaves(at(key), val[key], out)
				}
			}
			return
		}
	case []any:
		if len(val) > 0 {
			for i, e := range val {
				v.leaves(at(i), e, out)
			}
			return
		}
	}
	if value != nil && len(path) > 0 {
		*out = append(*out, changes.Property{Path: v.secrets.Mask(path.String()), New: v.value(value)})
	}
}

// lookup returns the value at path and how deep it looked: a secret or another
// special value on the way ends the path.
func lookup(m map[string]any, path resource.PropertyPath) (any, int) {
	var value any = m
	for depth, key := range path {
		switch at := value.(type) {
		case map[string]any:
			if signed(at) != "" {
				return at, depth
			}
			name, _ := key.(string)
			value = at[name]
		case []any:
			i, ok := key.(int)
			if !ok || i < 0 || i >= len(at) {
				return nil, len(path)
			}
			value = at[i]
		default:
			return nil, len(path)
		}
	}
	return value, len(path)
}

func same(a, b any) bool {
	return resource.NewPropertyValue(a).DeepEquals(resource.NewPropertyValue(b))
}

// signed is the signature of a special value: a secret, an asset, a reference.
func signed(m map[string]any) string {
	text, _ := m[sig.Key].(string)
	return text
}

// unknowns are how the engine writes values that are not known yet.
var unknowns = []string{
	plugin.UnknownBoolValue, plugin.UnknownNumberValue, plugin.UnknownStringValue, plugin.UnknownArrayValue,
	plugin.UnknownAssetValue, plugin.UnknownArchiveValue, plugin.UnknownObjectValue,
}

// value is a value of an event without what must not be shown.
func (v viewer) value(value any) any {
	switch val := value.(type) {
	case string:
		if slices.Contains(unknowns, val) {
			return changes.Unknown
		}
		return v.secrets.Mask(val)
	case map[string]any:
		switch signed(val) {
		case "":
		case sig.OutputValue:
			if secret, _ := val["secret"].(bool); secret {
				return changes.Secret
			}
			if inner, ok := val["value"]; ok {
				return v.value(inner)
			}
			return changes.Unknown
		case sig.ResourceReference:
			return v.value(val["urn"])
		case sig.AssetSig, sig.ArchiveSig:
			hash, _ := val["hash"].(string)
			return "file " + hash
		default: // secrets, and whatever else is not known here
			return changes.Secret
		}
		out := make(map[string]any, len(val))
		for key, e := range val {
			if !strings.HasPrefix(key, "__") {
				out[v.secrets.Mask(key)] = v.value(e)
			}
		}
		return out
	case []any:
		out := make([]any, len(val))
		for i, e := range val {
			out[i] = v.value(e)
		}
		return out
	}
	return value
}

// Watch adds to secrets those that pass through the providers of twins.
func Watch(twins map[string]provider.Factory, secrets *changes.Secrets) map[string]provider.Factory {
	out := make(map[string]provider.Factory, len(twins))
	for name, f := range twins {
		out[name] = provider.Watch(f, func(m resource.PropertyMap) { provider.LeafSecrets(m, secrets.Add) })
	}
	return out
}
