package kubernetes

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestResourceNames(t *testing.T) {
	tests := map[string]struct {
		manifest string
		scanned  bool // by its sections alone
		want     tree
	}{
		"core and groups": {
			"---\n# Source: x\napiVersion: v1\nkind: Service\nmetadata:\n    labels:\n      name: other\n    name: \"a\"\n    namespace: ns\nspec:\n  name: no\n",
			true,
			tree{"Service/v1": []any{"ns/a"}},
		},
		"name after a nested name": {"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  annotations:\n    name: no\n  name: web\n", true, tree{"Deployment.apps/apps/v1": []any{"web"}}},
		"flow style":               {"{apiVersion: v1, kind: Secret, metadata: {name: s}}\n", false, tree{"Secret/v1": []any{"s"}}},
		"flow metadata":            {"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n", true, tree{"Secret/v1": []any{"s"}}},
		"comment behind the name":  {"apiVersion: v1\nkind: Secret\nmetadata:\n  name: s # mine\n", true, tree{"Secret/v1": []any{"s"}}},
		"anchor":                   {"apiVersion: v1\nkind: Secret\nmetadata:\n  name: &n s\n", true, tree{"Secret/v1": []any{"s"}}},
		"comments only":            {"# nothing here\n---\n\n", false, tree{}},
		"separator in a text":      {"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata:\n  x: |\n    a\n    ---\n    kind: Pod\n", true, tree{"ConfigMap/v1": []any{"c"}}},
		"sorted, once each": {
			"apiVersion: v1\nkind: Pod\nmetadata:\n  name: b\n---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: b\n",
			true,
			tree{"Pod/v1": []any{"a", "b"}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := resourceNames(test.manifest)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(map[string]any(test.want), got); d != "" {
				t.Errorf("names (-want +got):\n%s", d)
			}
			for _, doc := range splitDocuments(test.manifest) {
				whole, err := parseHead(doc)
				if err != nil {
					t.Fatal(err)
				}
				if h, err := headOf(doc); err != nil || h != whole {
					t.Errorf("head %+v, of the whole document %+v, error %v", h, whole, err)
				}
				if h, err := parseHead(sections(doc)); whole.kind != "" && (err == nil && h == whole) != test.scanned {
					t.Errorf("head of the sections %+v, error %v: %q", h, err, doc)
				}
			}
		})
	}
	if _, err := resourceNames("{kind: [}"); err == nil {
		t.Error("no error for what is not YAML")
	}
}
