package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// drift lists what differs between the objects in the cluster and the manifest that
// Helm recorded: objects that are missing, and fields of the manifest that have another
// value. What others added to an object is not the manifest's. Helm itself, and so the
// official provider, compares records only.
func (c *cluster) drift(ctx context.Context, rel *release.Release) ([]string, error) {
	var out []string
	for _, doc := range splitDocuments(rel.Manifest) {
		want, err := manifestObject(doc)
		if err != nil {
			return nil, fmt.Errorf("manifest of release %q: %w", rel.Name, err)
		}
		if want == nil {
			continue
		}
		live, err := c.get(ctx, want, rel.Namespace)
		who := fmt.Sprintf("%s %q", want.GetKind(), idOf(want.GetNamespace(), want.GetName()))
		switch {
		case isGone(err):
			out = append(out, who+" is missing")
		case err != nil:
			return nil, fmt.Errorf("read %s: %w", who, err)
		default:
			if fields := driftOf(want, live); len(fields) > 0 {
				out = append(out, fmt.Sprintf("%s was changed: %s", who, strings.Join(fields, ", ")))
			}
		}
	}
	return out, nil
}

// manifestObject parses one document of a manifest; nil for one without an object.
func manifestObject(doc string) (*unstructured.Unstructured, error) {
	var raw map[string]any
	if err := yaml.Unmarshal([]byte(doc), &raw); err != nil {
		return nil, err
	}
	if obj := (&unstructured.Unstructured{Object: jsonTree(raw)}); obj.GetKind() != "" {
		return obj, nil
	}
	return nil, nil
}

// driftOf lists the fields of want that live has otherwise.
func driftOf(want, live *unstructured.Unstructured) []string {
	shape := normalize(want)
	now := prune(normalize(live).Object, shape.Object)
	var fields []string
	for _, ch := range compare(nil, now, shape.Object) {
		if !filledIn(want, ch) {
			fields = append(fields, ch.path.String())
		}
	}
	slices.Sort(fields)
	if len(fields) > maxDetails {
		fields = append(fields[:maxDetails], fmt.Sprintf("and %d more", len(fields)-maxDetails))
	}
	return fields
}

// filledIn says whether a difference is the cluster's own. What a chart ships closed or
// empty, such as the certificate of a webhook and what happens until it answers, the
// program behind the webhook fills in; Argo CD's documentation ignores the same fields.
// A namespace that the manifest leaves out is the release's.
func filledIn(want *unstructured.Unstructured, ch change) bool {
	keys := textKeys(ch.path)
	last := keys[len(keys)-1]
	switch {
	case last == "caBundle":
		return true
	case strings.HasSuffix(want.GetKind(), "WebhookConfiguration"):
		return last == "failurePolicy"
	}
	return keys[0] == "status" || slices.Equal(keys, []string{"metadata", "namespace"})
}

// restorePatch is what Helm leaves out of an upgrade: for kinds that it does not know
// it compares the new manifest with the old one, not with the cluster.
func restorePatch(want, live *unstructured.Unstructured) map[string]any {
	var patch map[string]any
	for _, ch := range compare(nil, prune(live.Object, want.Object), want.Object) {
		if key, ok := ch.path[0].(string); ok && !filledIn(want, ch) {
			if patch == nil {
				patch = map[string]any{}
			}
			patch[key] = want.Object[key]
		}
	}
	return patch
}
