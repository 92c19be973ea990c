package kubernetes

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// resourceNames groups a manifest's objects by kind and version, in the
// official provider's spelling: "Deployment.apps/apps/v1" -> ["ns/name"].
func resourceNames(manifest string) (map[string]any, error) {
	sets := map[string]map[string]bool{}
	for _, doc := range splitDocuments(manifest) {
		h, err := headOf(doc)
		if err != nil {
			return nil, fmt.Errorf("rendered manifest: %w", err)
		}
		if h.kind == "" {
			continue
		}
		group, _, found := strings.Cut(h.apiVersion, "/")
		key := h.kind + "/" + h.apiVersion
		if found {
			key = h.kind + "." + group + "/" + h.apiVersion
		}
		if sets[key] == nil {
			sets[key] = map[string]bool{}
		}
		sets[key][idOf(h.namespace, h.name)] = true
	}
	out := make(map[string]any, len(sets))
	for key, set := range sets {
		list := make([]any, 0, len(set))
		for _, name := range slices.Sorted(maps.Keys(set)) {
			list = append(list, name)
		}
		out[key] = list
	}
	return out, nil
}

// head is what identifies an object in a manifest.
type head struct{ apiVersion, kind, namespace, name string }

// A line that begins with --- always separates documents, since text inside a document
// is indented.
var separator = regexp.MustCompile(`(?m)^---.*\n?`)

func splitDocuments(manifest string) []string { return separator.Split(manifest, -1) }

// headOf parses the sections of a document that identify its object, or all of it where
// these are not written in block style: the definitions of Istio's kinds alone are a
// megabyte.
func headOf(doc string) (head, error) {
	if h, err := parseHead(sections(doc)); err == nil && h.apiVersion != "" && h.kind != "" && h.name != "" {
		return h, nil
	}
	return parseHead(doc)
}

// sections returns the lines of the top-level keys apiVersion, kind and metadata.
func sections(doc string) string {
	var b strings.Builder
	keep := false
	for line := range strings.Lines(doc) {
		if !strings.ContainsAny(line[:1], " \t\r\n#") {
			key, _, _ := strings.Cut(line, ":")
			keep = slices.Contains([]string{"apiVersion", "kind", "metadata"}, key)
		}
		if keep {
			b.WriteString(line)
		}
	}
	return b.String()
}

func parseHead(doc string) (head, error) {
	obj := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(doc), &obj.Object); err != nil {
		return head{}, err
	}
	return head{obj.GetAPIVersion(), obj.GetKind(), obj.GetNamespace(), obj.GetName()}, nil
}
