package plan

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/invopop/jsonschema"
	checked "github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/testkit/golden"
)

// schemaFile describes a Pulumi.<stack>.yaml for editors and for the test below.
const schemaFile = "../../docs/stack.schema.json"

// schema is derived from Config: one property of "config" for each of its fields,
// and no other key of the namespace.
func schema(t *testing.T) []byte {
	t.Helper()
	r := &jsonschema.Reflector{DoNotReference: true, Anonymous: true}
	for _, dir := range []string{".", "../../mesh/topology"} {
		if err := r.AddGoComments("github.com/meshwright/meshwright/stacks/plan", dir); err != nil {
			t.Fatal(err)
		}
	}
	fields := r.Reflect(&Config{})
	properties := map[string]any{}
	for p := fields.Properties.Oldest(); p != nil; p = p.Next() {
		properties[Namespace+":"+p.Key] = p.Value
	}
	required := []string{}
	for _, key := range fields.Required {
		required = append(required, Namespace+":"+key)
	}
	known := slices.Sorted(maps.Keys(properties))
	out, err := json.MarshalIndent(map[string]any{
		"$schema":  jsonschema.Version,
		"title":    "A Meshwright stack",
		"type":     "object",
		"required": []string{"config"},
		"properties": map[string]any{"config": map[string]any{
			"type": "object", "properties": properties, "required": required,
			"propertyNames": map[string]any{"anyOf": []any{
				map[string]any{"enum": known},
				map[string]any{"not": map[string]any{"pattern": "^" + Namespace + ":"}},
			}},
		}},
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

func TestSchemaIsWhatTheTypesSay(t *testing.T) {
	golden.Compare(t, schemaFile, schema(t))
}

func TestStackFilesMatchTheSchema(t *testing.T) {
	parsed, err := decode(schema(t))
	if err != nil {
		t.Fatal(err)
	}
	c := checked.NewCompiler()
	if err := c.AddResource("stack", parsed); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("stack")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../../Pulumi.*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stack files: %v", err)
	}
	mixtures, err := filepath.Glob("../../test/conformance/Pulumi.*.yaml")
	if err != nil || len(mixtures) == 0 {
		t.Fatalf("no mixtures: %v", err)
	}
	files = append(files, mixtures...)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		document, err := decode(text)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if err := compiled.Validate(document); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	for name, bad := range map[string]string{
		"no clusters":       `config: {meshwright:meshID: m}`,
		"misspelled key":    `config: {meshwright:clusters: [{name: a, network: n}], meshwright:meshId: m}`,
		"misspelled field":  `config: {meshwright:clusters: [{name: a, netwrok: n}]}`,
		"unknown mode":      `config: {meshwright:clusters: [{name: a, network: n}], meshwright:traffic: {mode: roulette}}`,
		"unknown profile":   `config: {meshwright:clusters: [{name: a, network: n}], meshwright:traffic: {profile: brave}}`,
		"half a percent":    `config: {meshwright:clusters: [{name: a, network: n}], meshwright:traffic: {weights: [{from: a, to: {a: 99.5}}]}}`,
		"unknown artifacts": `config: {meshwright:clusters: [{name: a, network: n}], meshwright:artifacts: internet}`,
	} {
		document, err := decode([]byte(bad))
		if err != nil {
			t.Fatal(err)
		}
		if compiled.Validate(document) == nil {
			t.Errorf("%s: the schema lets it pass", name)
		}
	}
}

// decode reads YAML or JSON the way the validator wants it.
func decode(text []byte) (any, error) {
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, err
	}
	var out any
	return out, json.Unmarshal(asJSON, &out)
}
