package kubernetes

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	pt "github.com/meshwright/meshwright/internal/provider/providertest"
)

// typesInUse returns the SDK's resource types that the program makes, by import path:
// those whose constructors its sources call.
func typesInUse(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, dir := range []string{"components", "stacks", "examples"} {
		err := filepath.WalkDir(filepath.Join("..", "..", "..", dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			imports := pt.Imports(file)
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				sel, ok := call.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				pkg, ok := sel.X.(*ast.Ident)
				name, made := strings.CutPrefix(sel.Sel.Name, "New")
				if ok && made && strings.HasPrefix(imports[pkg.Name], sdkPath) && !slices.Contains(found[imports[pkg.Name]], name) {
					found[imports[pkg.Name]] = append(found[imports[pkg.Name]], name)
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// TestTypes holds every resource type that the program makes to the SDK, down to the
// last field of its nested types: each is passed through checks and into the state,
// or refused; and a change is a replacement where the official provider's is.
func TestTypes(t *testing.T) {
	t.Parallel()
	types := typesInUse(t)
	if len(types) < 3 {
		t.Fatalf("the program uses %v", types)
	}
	core := sdkPath + "/core/v1"
	types[core] = append(types[core], "PersistentVolumeClaim") // for its replacements
	replacing := map[string][]string{
		"CustomResource": {}, "Namespace": {}, "Deployment": {"spec.selector"}, "Secret": {"data", "stringData", "type"}, "Service": {"spec.clusterIP"},
		"PersistentVolumeClaim": {"spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName"},
	}
	for importPath, names := range types {
		for _, name := range names {
			if name == "Provider" {
				continue // see TestOptions
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				fields, ok := replacing[name]
				if !ok {
					t.Fatal("the program uses a type whose replacements are not listed here")
				}
				testType(t, importPath, name, append(fields, "metadata.name", "metadata.namespace"))
			})
		}
	}
}

func testType(t *testing.T, importPath, name string, replacing []string) {
	ctx := context.Background()
	files := []string{strings.ToLower(name[:1]) + name[1:] + ".go"}
	if name != "CustomResource" {
		files = append(files, "pulumiTypes.go")
	}
	sdk := pt.ReadSource(t, importPath, files...)
	given := sdk.Sample(pt.Inputs(name))
	typ := tokens.Type(sdk.Option(name, "RegisterResource")[0])
	if name == "CustomResource" {
		typ = "kubernetes:example.com/v1:Thing"
		given["spec"] = tree{"list": []any{tree{"text": "a", "number": int64(1)}}}
	}
	gvk, err := gvkOf(typ)
	if err != nil {
		t.Fatal(err)
	}
	given["apiVersion"], given["kind"] = gvk.GroupVersion().String(), gvk.Kind
	urn := resource.NewURN("dev", "test", "", typ, "x")
	p := simulated{newProvider(Options{})}
	check := func(in tree) plugin.CheckResponse {
		t.Helper()
		res, err := p.Check(ctx, plugin.CheckRequest{URN: urn, Name: "x", Type: typ, News: props(in)})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	metadata := given["metadata"].(tree)
	if res := check(given); len(res.Failures) != 1 || !strings.Contains(res.Failures[0].Reason, "generateName") {
		t.Errorf("generateName: %v", res.Failures)
	}
	delete(metadata, "generateName")
	res := check(given)
	if len(res.Failures) > 0 {
		t.Fatal(res.Failures)
	}
	for _, field := range readOnly { // the API server's alone
		if metadata[field] == nil {
			t.Errorf("the SDK has no metadata.%s", field)
		}
		delete(metadata, field)
	}
	if d := cmp.Diff(map[string]any(given), toTree(res.Properties)); d != "" {
		t.Errorf("inputs (-given +checked):\n%s", d)
	}
	var secret []string
	for key, v := range res.Properties {
		if v.IsSecret() {
			secret = append(secret, string(key))
		}
	}
	slices.Sort(secret)
	hidden := sdk.Option(name, "AdditionalSecretOutputs")
	if d := cmp.Diff(hidden, secret); d != "" {
		t.Errorf("secrets (-sdk +here):\n%s", d)
	}
	if scheme.Scheme.Recognizes(gvk) { // or else normalize would not look at it
		typed, err := scheme.Scheme.New(gvk)
		if err != nil {
			t.Fatal(err)
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(given, typed); err != nil {
			t.Fatal(err)
		}
	}

	made, err := p.Create(ctx, plugin.CreateRequest{URN: urn, Name: "x", Type: typ, Properties: res.Properties})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range hidden {
		if v, ok := made.Properties[keyOf(key)]; ok && !v.IsSecret() {
			t.Errorf("%s is not secret in the state", key)
		}
	}
	live, _, _ := parseState(made.Properties)
	unstructured.RemoveNestedField(live.Object, "metadata", "uid")
	want := runtime.DeepCopyJSON(given)
	if isSecret(live) { // what stringData holds is in data
		delete(want, "stringData")
		delete(mapAt(live.Object, "data"), "stringData")
	}
	if d := cmp.Diff(want, live.Object); d != "" {
		t.Errorf("state (-given +state):\n%s", d)
	}
	for _, property := range sdk.Properties(name) {
		if _, ok := given[property]; !ok && property != "status" {
			t.Errorf("the output %s comes from nowhere", property)
		}
	}

	for _, path := range leaves(nil, given, 4) {
		var keys []string
		for _, key := range path {
			if s, ok := key.(string); ok {
				keys = append(keys, s)
			}
		}
		dotted := strings.Join(keys, ".")
		if dotted == "apiVersion" || dotted == "kind" || dotted == "metadata.namespace" && slices.Contains(clusterScoped[gvk.Group], gvk.Kind) {
			continue // the SDK sets them; it means nothing
		}
		diff, err := p.Diff(ctx, plugin.DiffRequest{
			URN: urn, Type: typ, ID: "1111/1111", OldInputs: res.Properties, OldOutputs: made.Properties, NewInputs: props(altered(given, path).(tree)),
		})
		if err != nil {
			t.Fatal(err)
		}
		replaces := slices.ContainsFunc(replacing, func(field string) bool { return dotted == field || strings.HasPrefix(dotted, field+".") })
		if len(diff.DetailedDiff) != 1 || len(diff.ReplaceKeys) > 0 != replaces {
			t.Errorf("a change of %s: %v, replaces %v", path, kinds(diff), diff.ReplaceKeys)
		}
	}
}

// leaves returns the paths to leaves of a tree, one below each path of depth keys.
func leaves(path resource.PropertyPath, v any, depth int) (found []resource.PropertyPath) {
	at := func(key any) resource.PropertyPath { return append(slices.Clone(path), key) }
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			found = append(found, leaves(at(key), v[key], depth-1)...)
		}
	case []any:
		found = leaves(at(0), v[0], depth)
	default:
		return []resource.PropertyPath{path}
	}
	if depth <= 0 {
		return found[:1]
	}
	return found
}

// altered returns a copy of a tree with another leaf at the end of a path.
func altered(v any, path resource.PropertyPath) any {
	switch v := v.(type) {
	case map[string]any:
		key := path[0].(string)
		v = maps.Clone(v)
		v[key] = altered(v[key], path[1:])
		return v
	case []any:
		v = slices.Clone(v)
		v[0] = altered(v[0], path[1:])
		return v
	case bool:
		return !v
	case int64:
		return v + 1
	case float64:
		return v + 1
	}
	return "2222"
}

// TestImmutableFields: what the table of replacements names, the SDK has.
func TestImmutableFields(t *testing.T) {
	t.Parallel()
	dirs := map[string]string{"": "core/v1", "apps": "apps/v1", "batch": "batch/v1", "rbac.authorization.k8s.io": "rbac/v1", "storage.k8s.io": "storage/v1"}
	for kind, fields := range immutableFields {
		file := strings.ToLower(kind.Kind[:1]) + kind.Kind[1:] + ".go"
		sample := pt.ReadSource(t, sdkPath+"/"+dirs[kind.Group], file, "pulumiTypes.go").Sample(pt.Inputs(kind.Kind))
		for _, field := range fields {
			if _, ok, err := unstructured.NestedFieldNoCopy(sample, strings.Split(field, ".")...); !ok || err != nil {
				t.Errorf("%s has no field %s", kind, field)
			}
		}
	}
}
