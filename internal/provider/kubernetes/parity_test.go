package kubernetes

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sdkModule = "github.com/pulumi/pulumi-kubernetes/sdk/v4"

// sdkFields returns the property names of a struct of the official SDK, read
// from its source: importing it would compile for minutes.
func sdkFields(t *testing.T, file, structName string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}} {{.Version}}", sdkModule).Output()
	if err != nil {
		t.Skipf("the SDK's source is not here: %v", err)
	}
	dir, sdkVersion, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if want := "v" + version.String(); sdkVersion != want {
		t.Errorf("the provider reports %s, and the SDK is %s", want, sdkVersion)
	}
	path := filepath.Join(dir, "go", "kubernetes", file)
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != structName {
			return true
		}
		for _, f := range spec.Type.(*ast.StructType).Fields.List {
			if f.Tag == nil {
				continue
			}
			tag, err := strconv.Unquote(f.Tag.Value)
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, reflect.StructTag(tag).Get("pulumi"))
		}
		return false
	})
	if len(names) == 0 {
		t.Fatalf("no fields in %s", structName)
	}
	sort.Strings(names)
	return names
}

// What becomes of every field that the SDK can send or read. A field that a new
// SDK adds fails the test until it is placed.
const (
	used    = "used"    // changes what the provider does
	refusal = "refused" // a clear error
	ignoral = "ignored" // has no effect, as in the official provider or harmlessly
	passed  = "passed"  // comes back in the state as it was given
	filled  = "filled"  // is the provider's to fill in
)

func TestFieldsOfTheSDK(t *testing.T) {
	tests := map[string]struct {
		file, structName string
		want             map[string]string
	}{
		"provider": {"provider.go", "providerArgs", map[string]string{
			"alwaysRender": refusal, "cluster": used, "clusterIdentifier": used, "context": used, "deleteUnreachable": used,
			"enableConfigMapMutable": used, "enablePatchForce": used, "enableSecretMutable": used, "enableServerSideApply": refusal, // false only
			"helmReleaseSettings": used, "kubeClientSettings": used, "kubeconfig": used, "namespace": used, "renderYamlToDirectory": refusal,
			"skipUpdateUnreachable": used, "suppressDeprecationWarnings": ignoral, // the API server's are never shown
			"suppressHelmHookWarnings": ignoral, // none are given
			"upsertExistingObjects":    used,
		}},
		"Helm settings": {"pulumiTypes.go", "HelmReleaseSettings", map[string]string{
			"driver": used, "pluginsPath": ignoral, // no Helm plugin is run
			"registryConfigPath": used, "repositoryCache": used, "repositoryConfigPath": used,
		}},
		"client settings": {"pulumiTypes.go", "KubeClientSettings", map[string]string{
			"burst": used, "qps": used, "timeout": ignoral, // it would cut watches; operations have timeouts of their own
		}},
		"release inputs": {"helm/v3/release.go", "releaseArgs", map[string]string{
			"allowNullValues": used, "atomic": used, "chart": used, "cleanupOnFail": used, "compat": ignoral, "createNamespace": used,
			"dependencyUpdate": used, "description": used, "devel": used, "disableCRDHooks": used, "disableOpenapiValidation": ignoral, // the API server validates
			"disableWebhooks": used, "forceUpdate": used, "keyring": used, "lint": used, "manifest": passed, "maxHistory": used, "name": used,
			"namespace": used, "postrender": used, "recreatePods": used, "renderSubchartNotes": used, "replace": used, "repositoryOpts": used,
			"resetValues": used, "resourceNames": filled, "reuseValues": used, "skipAwait": used, "skipCrds": used, "timeout": used,
			"valueYamlFiles": used, "values": used, "verify": used, "version": used, "waitForJobs": used,
		}},
		"release outputs": {"helm/v3/release.go", "Release", map[string]string{
			"allowNullValues": passed, "atomic": passed, "chart": passed, "cleanupOnFail": passed, "createNamespace": passed, "dependencyUpdate": passed,
			"description": passed, "devel": passed, "disableCRDHooks": passed, "disableOpenapiValidation": passed, "disableWebhooks": passed,
			"forceUpdate": passed, "keyring": passed, "lint": passed, "manifest": passed, "maxHistory": passed, "name": filled, "namespace": filled,
			"postrender": passed, "recreatePods": passed, "renderSubchartNotes": passed, "replace": passed, "repositoryOpts": passed,
			"resetValues": passed, "resourceNames": filled, "reuseValues": passed, "skipAwait": passed, "skipCrds": passed, "status": filled,
			"timeout": filled, "valueYamlFiles": ignoral, // merged into values
			"values": filled, "verify": passed, "version": filled, "waitForJobs": passed,
		}},
		"release status": {"helm/v3/pulumiTypes.go", "ReleaseStatus", map[string]string{
			"appVersion": filled, "chart": filled, "name": filled, "namespace": filled, "revision": filled, "status": filled, "version": filled,
		}},
		"repository": {"helm/v3/pulumiTypes.go", "RepositoryOpts", map[string]string{
			"caFile": used, "certFile": used, "keyFile": used, "password": used, "repo": used, "username": used,
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var placed []string
			for field := range test.want {
				placed = append(placed, field)
			}
			sort.Strings(placed)
			if d := cmp.Diff(sdkFields(t, test.file, test.structName), placed); d != "" {
				t.Errorf("fields of the SDK and their place here (-sdk +here):\n%s", d)
			}
			if test.structName == "releaseArgs" {
				decoded := map[string]bool{"values": true, "valueYamlFiles": true}
				for i := range reflect.TypeFor[releaseInputs]().NumField() {
					decoded[strings.Split(reflect.TypeFor[releaseInputs]().Field(i).Tag.Get("json"), ",")[0]] = true
				}
				for field, place := range test.want {
					if place == used && !decoded[field] {
						t.Errorf("%s is said to be used and is not read", field)
					}
				}
			}
		})
	}
}
