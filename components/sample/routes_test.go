package sample

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/testkit/golden"
	"github.com/meshwright/meshwright/mesh/topology"
)

// recorder is an engine that remembers the objects that are registered, by name.
type recorder struct {
	mu          sync.Mutex
	objects     map[string]map[string]any
	deletedWith map[string]string
}

func (*recorder) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return nil, errors.New("the components call no function")
}

func (r *recorder) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if strings.HasPrefix(args.TypeToken, "kubernetes:") {
		r.objects[args.Name] = args.Inputs.Mappable()
		r.deletedWith[args.Name] = args.RegisterRPC.GetDeletedWith()
	}
	return args.Name + "-id", args.Inputs, nil
}

// record runs a program and returns what it registers.
func record(t *testing.T, program pulumi.RunFunc) *recorder {
	t.Helper()
	r := &recorder{objects: map[string]map[string]any{}, deletedWith: map[string]string{}}
	if err := pulumi.RunErr(program, pulumi.WithMocks("meshwright", "lab", r)); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRoutes compares what each rule makes with testdata/<name>.yaml.
func TestRoutes(t *testing.T) {
	weights := map[string]map[string]int{"region1": {"region1": 80, "region2": 20}, "region2": {"region2": 80, "region1": 20}}
	failover := map[string]string{"region1": "region2", "region2": "region1"}
	for name, args := range map[string]RoutesArgs{
		"none":                 {Namespace: "sample"},
		"distribute-article":   {Namespace: "sample", Traffic: topology.Rule{Mode: topology.Distribute, Profile: topology.Article, Weights: weights}},
		"distribute-zero-loss": {Namespace: "sample", Traffic: topology.Rule{Mode: topology.Distribute, Profile: topology.ZeroLoss, Weights: weights}},
		"failover-article":     {Namespace: "sample", Traffic: topology.Rule{Mode: topology.Failover, Profile: topology.Article, Failover: failover}},
		"failover-zero-loss":   {Namespace: "sample", Traffic: topology.Rule{Mode: topology.Failover, Profile: topology.ZeroLoss, Failover: failover}},
		"failover-two-localities": {Namespace: "sample", Traffic: topology.Rule{
			Mode: topology.Failover, Profile: topology.ZeroLoss, Failover: failover, Localities: 2,
		}},
		"failover-three-regions": {Namespace: "sample", Traffic: topology.Rule{
			Mode: topology.Failover, Profile: topology.Article, Failover: map[string]string{"a": "b", "b": "c", "c": "a"},
		}},
		"retry-remote-alone": {Namespace: "sample", Traffic: topology.Rule{
			Mode: topology.Failover, Profile: topology.Article, Failover: failover, Tuning: &topology.Tuning{RetryRemote: true},
		}},
		"beside-another": {Namespace: "second", Host: "second.example", MTLS: "STRICT"},
	} {
		t.Run(name, func(t *testing.T) {
			r := record(t, func(ctx *pulumi.Context) error {
				_, err := NewRoutes(ctx, "c", &args)
				return err
			})
			got, err := yaml.Marshal(r.objects)
			if err != nil {
				t.Fatal(err)
			}
			golden.Compare(t, filepath.Join("testdata", name+".yaml"), got)
		})
	}
}

// TestTuning: each part of the zero-loss profile changes the rule where it should,
// and all of them are the profile.
func TestTuning(t *testing.T) {
	objects := func(tuning *topology.Tuning, profile string) map[string]map[string]any {
		return record(t, func(ctx *pulumi.Context) error {
			_, err := NewRoutes(ctx, "c", &RoutesArgs{Namespace: "sample", Traffic: topology.Rule{
				Mode: topology.Failover, Profile: profile, Failover: map[string]string{"a": "b", "b": "a"}, Tuning: tuning,
			}})
			return err
		}).objects
	}
	article := objects(nil, topology.Article)
	if diff := cmp.Diff(article, objects(&topology.Tuning{}, topology.ZeroLoss)); diff != "" {
		t.Errorf("no part at all is not the article's rule:\n%s", diff)
	}
	one := `"maxRequestsPerConnection":1`
	if before, after := text(t, article), text(t, objects(&topology.Tuning{ReuseConnections: true}, topology.Article)); !strings.Contains(before, one) || strings.Contains(after, one) {
		t.Errorf("reuse of connections: %s is not what the part takes away:\n%s", one, after)
	}
	all := topology.Tuning{
		MaxEjection: true, GatewayErrors: true, Retries: true, RetryRemote: true,
		FastConnect: true, LocalErrors: true, LastResort: true, ReuseConnections: true,
	}
	if diff := cmp.Diff(objects(nil, topology.ZeroLoss), objects(&all, topology.Article)); diff != "" {
		t.Errorf("every part is not the profile:\n%s", diff)
	}
	for name, test := range map[string]struct {
		tuning topology.Tuning
		want   []string // lines of the changed objects that the article's have not
	}{
		"max ejection":   {topology.Tuning{MaxEjection: true}, []string{`"maxEjectionPercent":100`}},
		"gateway errors": {topology.Tuning{GatewayErrors: true}, []string{`"consecutive5xxErrors":0`, `"consecutiveGatewayErrors":1`}},
		"fast connect":   {topology.Tuning{FastConnect: true}, []string{`"connectTimeout":"1s"`}},
		"local errors":   {topology.Tuning{LocalErrors: true}, []string{`"splitExternalLocalOriginErrors":true`, `"consecutiveLocalOriginFailures":5`}},
		"last resort":    {topology.Tuning{LastResort: true}, []string{`"minHealthPercent":1`}},
		"retries":        {topology.Tuning{Retries: true}, []string{`"regex":"GET|HEAD|OPTIONS"`, `,503,reset"`, `"perTryTimeout":"2s"`}},
		"retry remote":   {topology.Tuning{RetryRemote: true}, []string{`"retryRemoteLocalities":true`}},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := text(t, article), text(t, objects(&test.tuning, topology.Article))
			for _, part := range test.want {
				if strings.Contains(before, part) || !strings.Contains(after, part) {
					t.Errorf("%s: not what the part adds:\n%s", part, after)
				}
			}
		})
	}
}

func text(t *testing.T, objects any) string {
	t.Helper()
	data, err := json.Marshal(objects)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestAttempts: Envoy passes over a priority after every second try, so that the last
// two are in the region that takes over.
func TestAttempts(t *testing.T) {
	for localities, want := range map[int]int{0: 3, 1: 3, 2: 5, 3: 7, 9: 7} {
		if got := attempts(localities); got != want {
			t.Errorf("%d localities: %d, want %d", localities, got, want)
		}
	}
}

// TestUnsafeMethodsAreNotRepeated: what is retried for any method is only what no
// server has seen.
func TestUnsafeMethodsAreNotRepeated(t *testing.T) {
	rules := retried(topology.Rule{Mode: topology.Failover, Profile: topology.ZeroLoss}, httpRule{path: Path})
	if len(rules) != 2 || rules[0].methods != "GET|HEAD|OPTIONS" || rules[1].methods != "" {
		t.Fatalf("rules %+v", rules)
	}
	conditions := strings.Split(string(rules[1].retries["retryOn"].(pulumi.String)), ",")
	unsent := []string{"connect-failure", "refused-stream", "reset-before-request"}
	for _, c := range conditions {
		if !slices.Contains(unsent, c) {
			t.Errorf("a POST is repeated on %s", c)
		}
	}
	if _, ok := rules[1].retries["perTryTimeout"]; ok {
		t.Error("a POST is given up for a second one while it may be at work")
	}
}

func testArtifacts() *artifacts.Set {
	return &artifacts.Set{Images: map[string]artifacts.Image{
		"sleep": {Name: "sleep:1"}, "load": {Name: "load:1"}, "helloworld-v1": {Name: "helloworld:1"},
	}}
}

func TestHelloWorldForATimedCheck(t *testing.T) {
	r := record(t, func(ctx *pulumi.Context) error {
		_, err := NewHelloWorld(ctx, "c", &HelloWorldArgs{
			Namespace: "timed", Versions: []string{"v1"}, Artifacts: testArtifacts(),
			Load: true, Outsiders: true, GoesWithNamespace: true,
		})
		return err
	})
	type facts struct {
		Container, Image, App, Inject string
		OnNode                        bool
	}
	got := map[string]facts{}
	for name, o := range r.objects {
		if o["kind"] != "Deployment" {
			continue
		}
		var d struct {
			Spec struct {
				Template struct {
					Metadata struct{ Labels map[string]string }
					Spec     struct {
						HostNetwork bool
						Containers  []struct{ Name, Image string }
					}
				}
			}
		}
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatal(err)
		}
		pod := d.Spec.Template
		got[name] = facts{
			pod.Spec.Containers[0].Name, pod.Spec.Containers[0].Image,
			pod.Metadata.Labels["app"], pod.Metadata.Labels["sidecar.istio.io/inject"], pod.Spec.HostNetwork,
		}
		if !strings.HasSuffix(r.deletedWith[name], "::c-namespace") {
			t.Errorf("%s needs a deletion of its own", name)
		}
	}
	want := map[string]facts{
		"c-sleep":         {"sleep", "sleep:1", "sleep", "", false},
		"c-helloworld-v1": {"helloworld", "helloworld:1", "helloworld", "", false},
		"c-load":          {"load", "load:1", "load", "", false},
		"c-outsider":      {"outsider", "sleep:1", "outsider", "false", false},
		"c-outsider-node": {"outsider-node", "sleep:1", "outsider-node", "false", true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestServiceWithoutPods: it would be waited for in vain.
func TestServiceWithoutPods(t *testing.T) {
	for name, test := range map[string]struct {
		versions []string
		want     any
	}{
		"none": {nil, map[string]any{"pulumi.com/skipAwait": "true"}},
		"one":  {[]string{"v1"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := record(t, func(ctx *pulumi.Context) error {
				_, err := NewHelloWorld(ctx, "c", &HelloWorldArgs{Namespace: "n", Versions: test.versions, Artifacts: testArtifacts()})
				return err
			})
			metadata := r.objects["c-helloworld-service"]["metadata"].(map[string]any)
			if diff := cmp.Diff(test.want, metadata["annotations"]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMissingImageIsNamed(t *testing.T) {
	set := testArtifacts()
	delete(set.Images, "load")
	_, err := (&HelloWorldArgs{Load: true, Artifacts: set}).workloads()
	if err == nil || !strings.Contains(err.Error(), "load") || !strings.Contains(err.Error(), "meshwright airgap build") {
		t.Errorf("got %v, want an error that names the image and the remedy", err)
	}
}
