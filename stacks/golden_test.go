package stacks

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/slots"
	"github.com/meshwright/meshwright/internal/testkit/golden"
)

// registered is one resource as the program registers it.
type registered struct {
	Name        string         `json:"name"`
	Type        string         `json:"type"`
	Parent      string         `json:"parent,omitempty"`
	Provider    string         `json:"provider,omitempty"`
	DeletedWith string         `json:"deletedWith,omitempty"`
	DependsOn   []string       `json:"dependsOn,omitempty"`
	Inputs      map[string]any `json:"inputs,omitempty"`
}

// recorder is an engine that remembers what is registered and answers as providers
// would, as far as the program looks at the answer. Private material that it makes up
// starts with leak.
type recorder struct {
	mu   sync.Mutex
	seen []registered
	// held are the slots that the state has.
	held map[string]int
	// plain lists private material that was not marked as a secret.
	plain []string
}

// leak marks private material.
const leak = "PRIVATE "

func (r *recorder) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return nil, errors.New("the program calls no function")
}

func (r *recorder) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	rpc := args.RegisterRPC
	got := registered{
		Name: args.Name, Type: args.TypeToken, Parent: name(rpc.GetParent()),
		Provider: name(rpc.GetProvider()), DeletedWith: name(rpc.GetDeletedWith()), Inputs: map[string]any{},
	}
	for _, d := range rpc.GetDependencies() {
		got.DependsOn = append(got.DependsOn, name(d))
	}
	slices.Sort(got.DependsOn)

	r.mu.Lock()
	defer r.mu.Unlock()
	for k, v := range args.Inputs {
		got.Inputs[string(k)] = r.render(args.Name+"."+string(k), v, false)
	}
	r.seen = append(r.seen, got)

	state := args.Inputs.Copy()
	for k, v := range made(args, r.held) {
		state[resource.PropertyKey(k)] = resource.NewPropertyValue(v)
	}
	for _, k := range rpc.GetAdditionalSecretOutputs() {
		key := resource.PropertyKey(k)
		if v, ok := state[key]; ok && !v.IsSecret() {
			state[key] = resource.MakeSecret(v)
		}
	}
	return args.Name + "-id", state, nil
}

// made is what a provider adds to a resource's inputs.
func made(args pulumi.MockResourceArgs, held map[string]int) map[string]any {
	switch args.TypeToken {
	case "meshwright:kind:Addresses":
		var names []string
		for _, v := range args.Inputs["clusters"].ArrayValue() {
			names = append(names, v.StringValue())
		}
		assigned := map[string]any{}
		for name, slot := range slots.Assign(held, names, int(args.Inputs["capacity"].NumberValue())) {
			assigned[name] = slot
		}
		return map[string]any{"slots": assigned}
	case "tls:index/privateKey:PrivateKey":
		return map[string]any{"privateKeyPem": leak + args.Name}
	case "tls:index/selfSignedCert:SelfSignedCert", "tls:index/locallySignedCert:LocallySignedCert":
		return map[string]any{"certPem": "certificate " + args.Name + "\n"}
	case "tls:index/certRequest:CertRequest":
		return map[string]any{"certRequestPem": "request " + args.Name}
	case "kubernetes:core/v1:Secret":
		if t, ok := args.Inputs["type"]; ok && t.StringValue() == "kubernetes.io/service-account-token" {
			return map[string]any{"data": map[string]any{
				"token":  base64.StdEncoding.EncodeToString([]byte(leak + args.Name)),
				"ca.crt": base64.StdEncoding.EncodeToString([]byte("certificate of " + args.Name)),
			}}
		}
	case "meshwright:kind:Cluster":
		return map[string]any{
			"kubeconfig": leak + args.Name, "clusterID": "id of " + args.Name,
			"nodeNames": []any{args.Inputs["name"].StringValue() + "-control-plane"},
		}
	}
	return nil
}

// render turns a property into plain JSON in which a secret reads {"secret": value}.
func (r *recorder) render(at string, v resource.PropertyValue, secret bool) any {
	switch {
	case v.IsSecret():
		return map[string]any{"secret": r.render(at, v.SecretValue().Element, true)}
	case v.IsObject():
		out := map[string]any{}
		for k, e := range v.ObjectValue() {
			out[string(k)] = r.render(at+"."+string(k), e, secret)
		}
		return out
	case v.IsArray():
		out := []any{}
		for i, e := range v.ArrayValue() {
			out = append(out, r.render(fmt.Sprintf("%s[%d]", at, i), e, secret))
		}
		return out
	case v.IsString() && !secret && holdsLeak(v.StringValue()):
		r.plain = append(r.plain, at)
	}
	return v.Mappable()
}

// holdsLeak looks for private material, also through layers of base64: a remote
// secret holds a token inside an encoded kubeconfig.
func holdsLeak(text string) bool {
	if strings.Contains(text, leak) {
		return true
	}
	decoded, err := base64.StdEncoding.DecodeString(text)
	return err == nil && len(decoded) > 0 && holdsLeak(string(decoded))
}

// name is the last part of a URN, or of a provider's reference.
func name(urn string) string {
	if i := strings.Index(urn, "pulumi:providers:"); i >= 0 {
		urn = urn[:strings.LastIndex(urn, "::")]
	}
	parts := strings.Split(urn, "::")
	return parts[len(parts)-1]
}

// graph runs the program on a stack file and returns what it registers.
func graph(t *testing.T, stack string) *recorder {
	t.Helper()
	return graphOf(t, stackConfig(t, stack))
}

func graphOf(t *testing.T, settings map[string]string) *recorder {
	t.Helper()
	return graphFrom(t, ProgramWith(testArtifacts()), settings)
}

func graphFrom(t *testing.T, program pulumi.RunFunc, settings map[string]string) *recorder {
	t.Helper()
	return record(t, &recorder{}, program, settings)
}

// record runs a program on a recorder.
func record(t *testing.T, r *recorder, program pulumi.RunFunc, settings map[string]string) *recorder {
	t.Helper()
	config := func(info *pulumi.RunInfo) { info.Config = settings }
	if err := pulumi.RunErr(program, pulumi.WithMocks("meshwright", "lab", r), config); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(r.seen, func(a, b registered) int {
		return strings.Compare(a.Name+" "+a.Type, b.Name+" "+b.Type)
	})
	return r
}

// stackConfig reads a committed stack file as the engine hands it to the program.
func stackConfig(t *testing.T, stack string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(stackFiles(t)[stack])
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Config map[string]any `json:"config"`
	}
	if err := yaml.UnmarshalStrict(text, &file); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for key, value := range file.Config {
		if s, ok := value.(string); ok {
			out[key] = s
			continue
		}
		structured, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		out[key] = string(structured)
	}
	return out
}

// testArtifacts are an airgap kit's by name, with nothing of a machine in them.
func testArtifacts() *artifacts.Set {
	set := artifacts.Registry()
	set.Source = artifacts.SourceAirgap
	set.NodeImage.Name = "meshwright/node:v1"
	for key := range set.Charts {
		set.Charts[key] = artifacts.Chart{Name: key, Version: "1", Path: "charts/" + key + "-1.tgz"}
	}
	return set
}

// stackFiles are the stacks that the program deploys as they are committed, by
// name: the project's, and the mixtures that the conformance run adds.
func stackFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, dir := range []string{"..", "../test/conformance"} {
		paths, err := filepath.Glob(filepath.Join(dir, "Pulumi.*.yaml"))
		if err != nil || len(paths) == 0 {
			t.Fatalf("no stack files in %s: %v", dir, err)
		}
		for _, p := range paths {
			stack := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(p), "Pulumi."), ".yaml")
			if files[stack] != "" {
				t.Fatalf("stack %s is both %s and %s", stack, files[stack], p)
			}
			files[stack] = p
		}
	}
	return files
}

func TestGraphOfEveryStack(t *testing.T) {
	for stack := range stackFiles(t) {
		t.Run(stack, func(t *testing.T) {
			compareGraph(t, stack, graph(t, stack))
		})
	}
}

// compareGraph compares what was registered with testdata/<name>.json.
func compareGraph(t *testing.T, name string, r *recorder) {
	t.Helper()
	got, err := json.MarshalIndent(r.seen, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, filepath.Join("testdata", name+".json"), append(got, '\n'))
}

func TestNothingPrivateIsPlain(t *testing.T) {
	for stack := range stackFiles(t) {
		t.Run(stack, func(t *testing.T) {
			r := graph(t, stack)
			if len(r.plain) > 0 {
				t.Errorf("private material that is no secret: %v", r.plain)
			}
			// The test must be able to see a secret at all: these carry one each.
			carriers := map[string]string{"kubernetes": "kubeconfig", "cacerts": "data", "secret": "data"}
			found := map[string]bool{}
			for _, s := range r.seen {
				for role, input := range carriers {
					if strings.HasSuffix(s.Name, "-"+role) && hasSecret(s.Inputs[input]) {
						found[role] = true
					}
				}
			}
			if len(found) != len(carriers) {
				t.Errorf("secrets were seen only in %v", slices.Sorted(maps.Keys(found)))
			}
		})
	}
}

func hasSecret(v any) bool {
	object, ok := v.(map[string]any)
	if !ok {
		return false
	}
	if _, ok := object["secret"]; ok {
		return true
	}
	for _, e := range object {
		if hasSecret(e) {
			return true
		}
	}
	return false
}

// TestEverythingInAClusterGoesThroughItsProvider: nothing is left to a default
// provider, nothing of one cluster is deployed through another's.
func TestEverythingInAClusterGoesThroughItsProvider(t *testing.T) {
	for stack := range stackFiles(t) {
		for _, s := range graph(t, stack).seen {
			if !strings.HasPrefix(s.Type, "kubernetes:") {
				continue
			}
			owner, _, _ := strings.Cut(s.Name, "-")
			if s.Provider != owner+"-kubernetes" {
				t.Errorf("%s: %s goes through %q", stack, s.Name, s.Provider)
			}
		}
	}
}

// TestSettingsReachTheGraph: what a key of the configuration adds or takes away.
func TestSettingsReachTheGraph(t *testing.T) {
	for name, test := range map[string]struct {
		key, value    string
		has, hasNot   string
		inputOf, want string
	}{
		"sample off":       {key: "sample", value: `{"enabled":false}`, has: "cluster1-ingress-release", hasNot: "cluster1-sample-sleep"},
		"one cluster":      {key: "clusters", value: `[{"name":"cluster1","network":"n"}]`, has: "cluster1-sample-sleep", hasNot: "cluster1-reader-token"},
		"one needs no way": {key: "clusters", value: `[{"name":"cluster1","network":"n"}]`, has: "cluster1-ingress-release", hasNot: "cluster1-eastwest-release"},
		"mesh ID":          {key: "meshID", value: "mesh7", inputOf: "cluster2-istio-istiod", want: `"meshID":"mesh7"`},
		"sample namespace": {key: "sample", value: `{"namespace":"shop"}`, inputOf: "cluster1-routes-routes", want: `"namespace":"shop"`},
		"subnet":           {key: "subnet", value: "10.200.0.0/20", inputOf: "cluster2-metallb-pool", want: "10.200.8.35-10.200.8.62"},
		"weights":          {key: "traffic", value: `{"mode":"distribute"}`, inputOf: "cluster2-routes-traffic", want: `{"from":"region1/*","to":{"region1/*":80,"region2/*":20}}`},
		"failover":         {key: "traffic", value: `{"mode":"failover"}`, inputOf: "cluster1-routes-mesh", want: `"retryRemoteLocalities":true`},
		"article's rule":   {key: "traffic", value: `{"mode":"failover","profile":"article"}`, has: "cluster1-routes-traffic", hasNot: "cluster1-routes-mesh"},
		"no rule":          {key: "traffic", value: `{"mode":"none"}`, has: "cluster1-routes-routes", hasNot: "cluster1-routes-traffic"},
		"workers":          {key: "clusters", value: `[{"name":"cluster1","network":"n","workers":1}]`, inputOf: "cluster1-kind", want: `"role":"worker"`},
	} {
		t.Run(name, func(t *testing.T) {
			settings := stackConfig(t, "dev")
			settings["meshwright:"+test.key] = test.value
			inputs := map[string]string{}
			for _, s := range graphOf(t, settings).seen {
				text, err := json.Marshal(s.Inputs)
				if err != nil {
					t.Fatal(err)
				}
				inputs[s.Name] = string(text)
			}
			if _, ok := inputs[test.has]; test.has != "" && !ok {
				t.Errorf("no %s", test.has)
			}
			if _, ok := inputs[test.hasNot]; test.hasNot != "" && ok {
				t.Errorf("%s is still there", test.hasNot)
			}
			if !strings.Contains(inputs[test.inputOf], test.want) {
				t.Errorf("%s has no %s: %s", test.inputOf, test.want, inputs[test.inputOf])
			}
		})
	}
}

// TestMisspeltKeys: the program checks the keys that any engine passes.
func TestMisspeltKeys(t *testing.T) {
	const clusters = `"meshwright:clusters":"[{\"name\":\"a\",\"network\":\"n\"}]"`
	for name, test := range map[string]struct{ configuration, refused string }{
		"good":      {`{` + clusters + `,"meshwright:traffic":"{}"}`, ""},
		"of others": {`{` + clusters + `,"other:trafic":"x","pulumi:tags":"{}"}`, ""},
		"misspelt":  {`{` + clusters + `,"meshwright:trafic":"{}"}`, "meshwright:trafic: unknown setting; known settings are clusters, "},
		"together with a bad value": {
			`{"meshwright:clsuters":"[]"}`, "meshwright:clsuters: unknown setting",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(pulumi.EnvConfig, test.configuration)
			r := &recorder{}
			err := pulumi.RunErr(func(ctx *pulumi.Context) error {
				if test.refused != "" {
					return Program(ctx)
				}
				_, err := Load(ctx)
				return err
			}, pulumi.WithMocks("meshwright", "lab", r))
			if (err != nil) != (test.refused != "") || err != nil && !strings.Contains(err.Error(), test.refused) {
				t.Errorf("got %v", err)
			}
			if len(r.seen) > 0 {
				t.Errorf("registered: %v", r.seen)
			}
		})
	}
}

func TestBadConfigurationRegistersNothing(t *testing.T) {
	r := &recorder{}
	config := func(info *pulumi.RunInfo) {
		info.Config = map[string]string{"meshwright:clusters": `[{"name":"a","network":"n","controlPlane":"b"}]`}
	}
	err := pulumi.RunErr(ProgramWith(testArtifacts()), pulumi.WithMocks("meshwright", "lab", r), config)
	if err == nil || !strings.Contains(err.Error(), "meshwright:clusters[0].controlPlane") {
		t.Errorf("got %v, want an error that names the key", err)
	}
	if len(r.seen) > 0 {
		t.Errorf("registered before the configuration was checked: %v", r.seen)
	}
}

// TestAMovedClusterIsRolled: a pod keeps its network, so the pods of a cluster that moves
// to another network roll out again, and those of no other cluster do.
func TestAMovedClusterIsRolled(t *testing.T) {
	settings := stackConfig(t, "flat-multi-primary")
	before := injected(graphOf(t, settings).seen)
	settings["meshwright:clusters"] = strings.Replace(settings["meshwright:clusters"],
		`"name":"cluster2","network":"network1"`, `"name":"cluster2","network":"network2"`, 1)
	after := injected(graphOf(t, settings).seen)

	var rolled []string
	for name, was := range before {
		if after[name] != was {
			rolled = append(rolled, name)
		}
	}
	slices.Sort(rolled)
	want := []string{"cluster2-ingress-release", "cluster2-istio-istiod", "cluster2-sample-helloworld-v1", "cluster2-sample-sleep"}
	if !slices.Equal(rolled, want) {
		t.Errorf("rolled %v, want %v; pods had %v, then %v", rolled, want, before, after)
	}
	if len(before) != 2*len(want) {
		t.Errorf("%v say what is injected, want as many in the other cluster as %v", slices.Sorted(maps.Keys(before)), want)
	}
}

// injected is what each resource's pods say that they were given, by its name.
func injected(seen []registered) map[string]string {
	out := map[string]string{}
	for _, s := range seen {
		if what := find(s.Inputs, "meshwright.dev/injected"); what != "" {
			out[s.Name] = what
		}
	}
	return out
}

// find returns the text under a key, at any depth.
func find(v any, key string) string {
	object, _ := v.(map[string]any)
	if text, ok := object[key].(string); ok {
		return text
	}
	for _, e := range object {
		if text := find(e, key); text != "" {
			return text
		}
	}
	return ""
}
