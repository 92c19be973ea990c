package kubernetes

import (
	"fmt"
	"maps"
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
		h, ok := scanHead(doc)
		if !ok {
			var err error
			if h, err = parseHead(doc); err != nil {
				return nil, fmt.Errorf("rendered manifest: %w", err)
			}
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

// splitDocuments splits a YAML stream. A line that begins with --- is always a
// separator, since text inside a document is indented.
func splitDocuments(manifest string) []string {
	var docs []string
	start := 0
	for at := 0; at < len(manifest); {
		end := strings.IndexByte(manifest[at:], '\n')
		if end < 0 {
			end = len(manifest)
		} else {
			end += at + 1
		}
		if strings.HasPrefix(manifest[at:end], "---") {
			docs = append(docs, manifest[start:at])
			start = end
		}
		at = end
	}
	return append(docs, manifest[start:])
}

// scanHead reads the head of a document in block style without parsing the
// rest: the definitions of Istio's kinds alone are a megabyte. It is false for
// every document that needs a parser.
func scanHead(doc string) (h head, ok bool) {
	inMetadata, indent := false, ""
	for line := range strings.Lines(doc) {
		line = strings.TrimRight(line, " \r\n")
		text := strings.TrimLeft(line, " ")
		lead := line[:len(line)-len(text)]
		switch {
		case text == "" || text[0] == '#':
			continue
		case text[0] == '\t' || lead == "" && strings.ContainsRune("{[%&*!|>\"'?", rune(text[0])):
			return head{}, false
		case lead == "":
			key, value, found := strings.Cut(text, ":")
			if !found {
				return head{}, false
			}
			if inMetadata = key == "metadata"; inMetadata {
				if indent = ""; strings.TrimSpace(value) != "" {
					return head{}, false
				}
				continue
			}
			var fits bool
			switch key {
			case "apiVersion":
				h.apiVersion, fits = scalar(value)
			case "kind":
				h.kind, fits = scalar(value)
			default:
				fits = true
			}
			if !fits {
				return head{}, false
			}
		case inMetadata:
			if indent == "" {
				indent = lead
			}
			if lead != indent {
				continue
			}
			key, value, _ := strings.Cut(text, ":")
			var fits bool
			switch key {
			case "name":
				h.name, fits = scalar(value)
			case "namespace":
				h.namespace, fits = scalar(value)
			default:
				fits = true
			}
			if !fits {
				return head{}, false
			}
		}
	}
	return h, h.apiVersion != "" && h.kind != "" && h.name != ""
}

// scalar returns a value that is written plainly, or quoted without escapes.
func scalar(s string) (string, bool) {
	s = strings.TrimSpace(s)
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') {
		inner := s[1 : len(s)-1]
		return inner, s[len(s)-1] == s[0] && !strings.ContainsAny(inner, `"'\`)
	}
	return s, s != "" && !strings.ContainsAny(s, " \t#{}[]&*!|>%@`\"'") && !strings.HasSuffix(s, ":")
}

func parseHead(doc string) (head, error) {
	obj := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(doc), &obj.Object); err != nil {
		return head{}, err
	}
	return head{obj.GetAPIVersion(), obj.GetKind(), obj.GetNamespace(), obj.GetName()}, nil
}
