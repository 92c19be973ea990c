package kubernetes

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/component/helmrelease"
	pt "github.com/meshwright/meshwright/internal/provider/providertest"
)

// sdkPath is the root of the packages of the official SDK.
const sdkPath = "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"

// What becomes of every field that the SDK can send or read. A field that a new
// SDK adds fails the test until it is placed.
const (
	used    = "used"    // changes what the provider does
	refusal = "refused" // a clear error
	ignoral = "ignored" // has no effect, as in the official provider or harmlessly
	passed  = "passed"  // comes back in the state as it was given
	filled  = "filled"  // is the provider's to fill in
)

// placed compares where the fields of a struct are with those that it has.
func placed(t *testing.T, sdk *pt.Source, structName string, places map[string]string) {
	t.Helper()
	if d := cmp.Diff(sdk.Properties(structName), slices.Sorted(maps.Keys(places))); d != "" {
		t.Errorf("fields of the SDK's %s and their place here (-sdk +here):\n%s", structName, d)
	}
}

// TestOptions holds the provider's options to the SDK's: each does something, is
// refused or has no effect, as placed here, and the environment that stands in for
// it in the SDK does so here.
func TestOptions(t *testing.T) {
	sdk := pt.ReadSource(t, sdkPath, "provider.go", "pulumiTypes.go")
	if want := "v" + version.String(); sdk.Version != want {
		t.Errorf("the provider reports %s, and the SDK is %s", want, sdk.Version)
	}
	groups := []struct {
		structName, under, defaults string
		places                      map[string]string
	}{
		{"providerArgs", "", "NewProvider", map[string]string{
			"alwaysRender": refusal, "cluster": used, "clusterIdentifier": used, "context": used, "deleteUnreachable": used,
			"enableConfigMapMutable": used, "enablePatchForce": used, "enableSecretMutable": used, "enableServerSideApply": refusal, // false only
			"helmReleaseSettings": used, "kubeClientSettings": used, "kubeconfig": used, "namespace": used, "renderYamlToDirectory": refusal,
			"skipUpdateUnreachable": used, "suppressDeprecationWarnings": ignoral, // the API server's are never shown
			"suppressHelmHookWarnings": ignoral, // none are given
			"upsertExistingObjects":    used,
		}},
		{"HelmReleaseSettings", "helmReleaseSettings", "HelmReleaseSettings.Defaults", map[string]string{
			"driver": used, "pluginsPath": refusal, "registryConfigPath": used, "repositoryCache": used, "repositoryConfigPath": used,
		}},
		{"KubeClientSettings", "kubeClientSettings", "KubeClientSettings.Defaults", map[string]string{
			"burst": used, "qps": used, "timeout": refusal,
		}},
	}
	dir := t.TempDir()
	file := func(server string) string {
		path := filepath.Join(dir, strings.TrimPrefix(server, "https://"))
		if err := os.WriteFile(path, []byte(kubeconfigOf("one", server)), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("KUBECONFIG", file("https://a"))
	values := map[string]any{"cluster": "two", "context": "two", "enableServerSideApply": false, "kubeconfig": file("https://b")}
	outcome := func(in tree) string {
		t.Helper()
		p := newProvider(Options{})
		res, err := p.CheckConfig(context.Background(), plugin.CheckConfigRequest{News: props(in)})
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Failures) > 0 {
			return fmt.Sprint("refused: ", res.Failures[0].Property)
		}
		if _, err := p.Configure(context.Background(), plugin.ConfigureRequest{Inputs: props(in)}); err != nil {
			t.Fatal(err)
		}
		conf, c := p.configured()
		return fmt.Sprintf("%+v %s %g %d", conf, c.config.Host, c.config.QPS, c.config.Burst)
	}
	without := outcome(tree{})
	for _, g := range groups {
		placed(t, sdk, g.structName, g.places)
		environment := sdk.Environment(g.defaults, g.structName)
		sample := sdk.Sample(g.structName)
		for option, place := range g.places {
			if option == "clusterIdentifier" || reflect.ValueOf(sample[option]).Kind() == reflect.Map {
				continue // see TestDiffConfig; a group of its own
			}
			value, ok := values[option]
			if !ok {
				value = sample[option]
			}
			path, in := option, tree{option: value}
			if g.under != "" {
				path, in = g.under+"."+option, tree{g.under: in}
			}
			got := outcome(in)
			switch {
			case place == refusal && got != "refused: "+path, place == ignoral && got != without, place == used && got == without:
				t.Errorf("%s is %s: %s", path, place, got)
			}
			variable, ok := environment[option]
			if !ok {
				continue
			}
			if place == refusal && g.under != "" {
				got = without // the SDK hands it on with other settings only, and refused then
			}
			t.Run(variable, func(t *testing.T) {
				t.Setenv(variable, fmt.Sprint(value))
				if alone := outcome(tree{}); alone != got {
					t.Errorf("the option comes to %s, the environment to %s", got, alone)
				}
			})
		}
	}
}

// TestReleaseFields holds Helm releases to the SDK's.
func TestReleaseFields(t *testing.T) {
	sdk := pt.ReadSource(t, sdkPath+"/helm/v3", "release.go", "pulumiTypes.go")
	inputs := map[string]string{
		"allowNullValues": used, "atomic": used, "chart": used, "cleanupOnFail": used, "compat": ignoral, "createNamespace": used,
		"dependencyUpdate": used, "description": used, "devel": used, "disableCRDHooks": used, "disableOpenapiValidation": used, // by Helm; see helmKube.Build
		"disableWebhooks": used, "forceUpdate": used, "keyring": used, "lint": used, "manifest": passed, "maxHistory": used, "name": used,
		"namespace": used, "postrender": used, "recreatePods": used, "renderSubchartNotes": used, "replace": used, "repositoryOpts": used,
		"resetValues": used, "resourceNames": filled, "reuseValues": used, "skipAwait": used, "skipCrds": used, "timeout": used,
		"valueYamlFiles": used, "values": used, "verify": used, "version": used, "waitForJobs": used,
	}
	placed(t, sdk, pt.Inputs("Release"), inputs)
	placed(t, sdk, "Release", map[string]string{
		"allowNullValues": passed, "atomic": passed, "chart": passed, "cleanupOnFail": passed, "createNamespace": passed, "dependencyUpdate": passed,
		"description": passed, "devel": passed, "disableCRDHooks": passed, "disableOpenapiValidation": passed, "disableWebhooks": passed,
		"forceUpdate": passed, "keyring": passed, "lint": passed, "manifest": passed, "maxHistory": passed, "name": filled, "namespace": filled,
		"postrender": passed, "recreatePods": passed, "renderSubchartNotes": passed, "replace": passed, "repositoryOpts": passed,
		"resetValues": passed, "resourceNames": filled, "reuseValues": passed, "skipAwait": passed, "skipCrds": passed, "status": filled,
		"timeout": filled, "valueYamlFiles": ignoral, // merged into values
		"values": filled, "verify": passed, "version": filled, "waitForJobs": passed,
	})
	placed(t, sdk, "ReleaseStatus", map[string]string{
		"appVersion": filled, "chart": filled, "name": filled, "namespace": filled, "revision": filled, "status": filled, "version": filled,
	})
	decoded := slices.Concat(pt.Decoded(reflect.TypeFor[releaseInputs]()), []string{"values", "valueYamlFiles"})
	for input, place := range inputs {
		if (place == used) != slices.Contains(decoded, input) {
			t.Errorf("%s is said to be %s", input, place)
		}
	}
	if d := cmp.Diff(sdk.Properties("RepositoryOpts"), pt.Decoded(reflect.TypeFor[repositoryOpts]())); d != "" {
		t.Errorf("repositoryOpts: %s", d)
	}
	// The program registers releases with inputs and a struct of its own, of the same names.
	own := map[string][]string{"Release": pt.ReadSource(t, "github.com/meshwright/meshwright/internal/component/helmrelease").Properties("Release")}
	for _, chart := range []artifacts.Chart{{Name: "c", Path: "p"}, {Name: "c", Version: "1", Repo: "r"}} {
		err := pulumi.RunErr(func(ctx *pulumi.Context) error {
			_, err := helmrelease.New(ctx, "r", &helmrelease.Args{Name: "n", Namespace: "ns", Chart: chart, Values: pulumi.Map{}, Timeout: 1})
			return err
		}, pulumi.WithMocks("project", "stack", mocks(func(in resource.PropertyMap) {
			for key := range in {
				own["releaseArgs"] = append(own["releaseArgs"], string(key))
			}
		})))
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(own["releaseArgs"]) < 16 {
		t.Errorf("the program gives %v", own["releaseArgs"])
	}
	for structName, properties := range own {
		for _, property := range properties {
			if !slices.Contains(sdk.Properties(structName), property) {
				t.Errorf("the SDK's %s has no %s", structName, property)
			}
		}
	}

	p := newProvider(Options{ChartRoot: "testdata"})
	check := func(in tree) resource.PropertyMap {
		t.Helper()
		res, err := p.Check(context.Background(), plugin.CheckRequest{
			URN: resource.NewURN("dev", "test", "", releaseType, "tiny"), Name: "tiny", Type: releaseType, News: props(in), RandomSeed: []byte("seed"),
		})
		if err != nil || len(res.Failures) > 0 {
			t.Fatal(err, res.Failures)
		}
		return res.Properties
	}
	// As the official provider does, the checked inputs have all that a release can
	// be told, except what has no meaning when it is left out.
	for name, test := range map[string]struct {
		in     tree
		absent []string
	}{
		"nothing": {tree{"chart": "tiny"}, []string{"compat", "manifest", "maxHistory", "repositoryOpts", "valueYamlFiles", "version"}},
		"some": {
			tree{"chart": "tiny", "version": "0.1.0", "maxHistory": int64(3), "repositoryOpts": tree{"username": "me"}, "skipAwait": true, "compat": "true"},
			[]string{"compat", "manifest", "valueYamlFiles"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := check(test.in)
			want := slices.Concat(sdk.Properties(pt.Inputs("Release")), []string{"checksum"})
			want = slices.DeleteFunc(want, func(s string) bool { return slices.Contains(test.absent, s) })
			slices.Sort(want)
			var keys []string
			for key := range got {
				keys = append(keys, string(key))
			}
			slices.Sort(keys)
			if d := cmp.Diff(want, keys); d != "" {
				t.Errorf("inputs (-want +got):\n%s", d)
			}
		})
	}
}

// TestReleaseTakenOver: a release in a state of the official provider, or of this one
// from before it wrote out what was left out, is as the program wants it.
func TestReleaseTakenOver(t *testing.T) {
	p := newProvider(Options{ChartRoot: "testdata"})
	urn := resource.NewURN("dev", "test", "", releaseType, "tiny")
	in := tree{"chart": "tiny", "name": "tiny", "namespace": "ns", "values": tree{"greeting": ""}, "timeout": int64(60), "repositoryOpts": tree{}}
	check := func(in tree) resource.PropertyMap {
		t.Helper()
		res, err := p.Check(context.Background(), plugin.CheckRequest{URN: urn, Name: "tiny", Type: releaseType, News: props(in)})
		if err != nil || len(res.Failures) > 0 {
			t.Fatal(err, res.Failures)
		}
		return res.Properties
	}
	checked := check(in)
	official := checked.Copy()
	delete(official, "checksum")
	delete(official, "resourceNames")
	official["version"] = resource.NewProperty("0.1.0") // the chart's own
	earlier := props(in)
	earlier["checksum"], earlier["resourceNames"] = checked["checksum"], checked["resourceNames"]
	for name, test := range map[string]struct {
		before resource.PropertyMap
		change tree
		want   map[string]string
	}{
		"official":                   {official, nil, map[string]string{}},
		"earlier":                    {earlier, nil, map[string]string{}},
		"official, with a change":    {official, tree{"atomic": true}, map[string]string{"atomic": "add"}},
		"official, another version":  {official, tree{"version": "0.2.0"}, map[string]string{"version": "update"}},
		"official, without a value":  {official, tree{"values": tree{}}, map[string]string{"values": "delete"}},
		"earlier, another namespace": {earlier, tree{"namespace": "other"}, map[string]string{"namespace": "update-replace"}},
	} {
		t.Run(name, func(t *testing.T) {
			news := maps.Clone(in)
			maps.Copy(news, test.change)
			diff, err := p.Diff(context.Background(), plugin.DiffRequest{URN: urn, Type: releaseType, ID: "ns/tiny", OldInputs: test.before, NewInputs: check(news)})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(test.want, kinds(diff)); d != "" {
				t.Errorf("diff (-want +got):\n%s", d)
			}
		})
	}
}

// mocks sees the inputs of what a program registers.
type mocks func(resource.PropertyMap)

func (m mocks) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) { return nil, nil }

func (m mocks) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	m(args.Inputs)
	return args.Name, args.Inputs, nil
}
