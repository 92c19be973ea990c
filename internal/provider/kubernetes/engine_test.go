package kubernetes

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/meshwright/meshwright/internal/testkit/testenv"
)

var shared struct {
	once   sync.Once
	server *testenv.APIServer
	err    error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.server != nil {
		shared.server.Stop()
	}
	os.Exit(code)
}

// apiServer returns the API server that most tests share.
func apiServer(tb testing.TB) *testenv.APIServer {
	tb.Helper()
	testenv.Need(tb)
	shared.once.Do(func() { shared.server, shared.err = testenv.Start(context.Background()) })
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	return shared.server
}

type tree = map[string]any

// props turns a tree into inputs.
func props(tree map[string]any) resource.PropertyMap { return toProperties(tree) }

// entry is a resource in a test engine's state.
type entry struct {
	typ           tokens.Type
	id            resource.ID
	inputs, state resource.PropertyMap
	initErrors    []string
	lastDiff      plugin.DiffResponse
}

// engine does with a provider what Pulumi's engine does, one resource at a time.
type engine struct {
	tb    testing.TB
	p     *Provider
	live  dynamic.Interface
	stack string
	state map[string]*entry
}

func newEngine(tb testing.TB, server *testenv.APIServer, config map[string]any) *engine {
	tb.Helper()
	e := &engine{tb: tb, p: configured(tb, server, config), stack: strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(tb.Name())), state: map[string]*entry{}}
	live, err := dynamic.NewForConfig(server.Config)
	if err != nil {
		tb.Fatal(err)
	}
	e.live = live
	return e
}

// start makes a test parallel and returns an engine on the shared API server and a
// namespace of the test's own.
func start(t *testing.T, config map[string]any) (*engine, string) {
	t.Helper()
	t.Parallel()
	e := newEngine(t, apiServer(t), config)
	return e, e.namespace()
}

func configured(tb testing.TB, server *testenv.APIServer, config map[string]any) *Provider {
	tb.Helper()
	p := newProvider(Options{ChartRoot: "testdata"})
	in := map[string]any{"kubeconfig": server.Kubeconfig}
	for k, v := range config {
		in[k] = v
	}
	if _, err := p.Configure(context.Background(), plugin.ConfigureRequest{Inputs: props(in)}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = p.Close() })
	return p
}

func (e *engine) urn(typ tokens.Type, name string) resource.URN {
	return resource.NewURN(tokens.QName(e.stack), "test", "", typ, name)
}

// check returns the checked inputs and fails the test on a failure.
func (e *engine) check(typ tokens.Type, name string, in, olds resource.PropertyMap) resource.PropertyMap {
	e.tb.Helper()
	urn := e.urn(typ, name)
	res, err := e.p.Check(context.Background(), plugin.CheckRequest{URN: urn, Name: name, Type: typ, News: in, Olds: olds, RandomSeed: []byte(urn)})
	if err != nil {
		e.tb.Fatalf("check %s: %v", name, err)
	}
	if len(res.Failures) > 0 {
		e.tb.Fatalf("check %s: %v", name, res.Failures)
	}
	return res.Properties
}

// up brings a resource to its inputs and returns the operations: create,
// update, replace, same. It keeps state as the engine does, also of a resource
// that failed to initialise, whose error it returns.
func (e *engine) up(typ tokens.Type, name string, in resource.PropertyMap) (string, error) {
	e.tb.Helper()
	ctx := context.Background()
	urn := e.urn(typ, name)
	old := e.state[name]
	if old == nil {
		return "create", e.create(typ, name, e.check(typ, name, in, nil))
	}
	checked := e.check(typ, name, in, old.inputs)
	diff, err := e.p.Diff(ctx, plugin.DiffRequest{URN: urn, Name: name, Type: typ, ID: old.id, OldInputs: old.inputs, OldOutputs: old.state, NewInputs: checked})
	if err != nil {
		return "diff", err
	}
	old.lastDiff = diff
	switch {
	case len(diff.ReplaceKeys) > 0:
		if diff.DeleteBeforeReplace {
			if err := e.destroy(name); err != nil {
				return "delete", err
			}
			return "delete-replace", e.create(typ, name, checked)
		}
		defer e.collect(old)()
		again := e.check(typ, name, in, nil)
		if err := e.create(typ, name, again); err != nil {
			return "replace", err
		}
		_, err := e.p.Delete(ctx, plugin.DeleteRequest{URN: urn, Name: name, Type: typ, ID: old.id, Inputs: old.inputs, Outputs: old.state})
		return "replace", err
	case diff.Changes == plugin.DiffNone && len(old.initErrors) == 0:
		return "same", nil
	}
	res, err := e.p.Update(ctx, plugin.UpdateRequest{URN: urn, Name: name, Type: typ, ID: old.id, OldInputs: old.inputs, OldOutputs: old.state, NewInputs: checked})
	_, err = e.record(typ, name, old.id, checked, res.Properties, err)
	return "update", err
}

func (e *engine) create(typ tokens.Type, name string, checked resource.PropertyMap) error {
	res, err := e.p.Create(context.Background(), plugin.CreateRequest{URN: e.urn(typ, name), Name: name, Type: typ, Properties: checked})
	_, err = e.record(typ, name, res.ID, checked, res.Properties, err)
	return err
}

// record keeps what an operation returned.
func (e *engine) record(typ tokens.Type, name string, id resource.ID, inputs, state resource.PropertyMap, err error) (*entry, error) {
	en := &entry{typ: typ, id: id, inputs: inputs, state: state}
	if err != nil {
		failed := initFailed(err)
		if failed == nil {
			return nil, err
		}
		kept, uerr := plugin.UnmarshalProperties(failed.GetProperties(), plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true})
		if uerr != nil {
			e.tb.Fatal(uerr)
		}
		en.id, en.state, en.initErrors = resource.ID(failed.GetId()), kept, failed.GetReasons()
	}
	e.state[name] = en
	return en, err
}

func initFailed(err error) *pulumirpc.ErrorResourceInitFailed {
	rpcErr, ok := rpcerror.FromError(err)
	if !ok {
		return nil
	}
	for _, d := range rpcErr.Details() {
		if failed, ok := d.(*pulumirpc.ErrorResourceInitFailed); ok {
			return failed
		}
	}
	return nil
}

// mustUp fails the test unless the operation is the wanted one and succeeds.
func (e *engine) mustUp(want string, typ tokens.Type, name string, tree map[string]any) *entry {
	e.tb.Helper()
	op, err := e.up(typ, name, props(tree))
	if err != nil {
		e.tb.Fatalf("%s %s: %v", op, name, err)
	}
	if op != want {
		e.tb.Fatalf("%s: got operation %s, want %s; diff %+v", name, op, want, e.state[name].lastDiff)
	}
	return e.state[name]
}

func (e *engine) destroy(name string) error {
	old := e.state[name]
	defer e.collect(old)()
	_, err := e.p.Delete(context.Background(), plugin.DeleteRequest{URN: e.urn(old.typ, name), Name: name, Type: old.typ, ID: old.id, Inputs: old.inputs, Outputs: old.state})
	if err == nil {
		delete(e.state, name)
	}
	return err
}

// collect does the garbage collector's part in a foreground deletion, until the
// function that it returns is called.
func (e *engine) collect(en *entry) func() {
	live, _, _ := parseState(en.state)
	ctx, cancel := context.WithCancel(context.Background())
	_, c := e.p.configured()
	client, err := c.client(ctx, live, live.GetNamespace())
	if err != nil || live.GetName() == "" {
		return cancel
	}
	go func() {
		for ctx.Err() == nil {
			now, err := client.Get(ctx, live.GetName(), metav1.GetOptions{})
			if err == nil && now.GetDeletionTimestamp() != nil && contains(now.GetFinalizers(), "foregroundDeletion") {
				_, _ = client.Patch(ctx, live.GetName(), types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	return cancel
}

func (e *engine) mustDestroy(name string) {
	e.tb.Helper()
	if err := e.destroy(name); err != nil {
		e.tb.Fatalf("delete %s: %v", name, err)
	}
}

// refresh reads a resource and keeps what is there; false means that it is gone.
func (e *engine) refresh(name string) bool {
	e.tb.Helper()
	old := e.state[name]
	res, err := e.p.Read(context.Background(), plugin.ReadRequest{URN: e.urn(old.typ, name), Name: name, Type: old.typ, ID: old.id, Inputs: old.inputs, State: old.state})
	if failed := initFailed(err); failed != nil {
		opts := plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true}
		old.initErrors = failed.GetReasons()
		old.state, _ = plugin.UnmarshalProperties(failed.GetProperties(), opts)
		old.inputs, _ = plugin.UnmarshalProperties(failed.GetInputs(), opts)
		return true
	}
	if err != nil {
		e.tb.Fatalf("read %s: %v", name, err)
	}
	if res.ID == "" {
		delete(e.state, name)
		return false
	}
	old.inputs, old.state, old.initErrors = res.Inputs, res.Outputs, nil
	return true
}

// namespace makes a namespace of the test's own and returns its name.
func (e *engine) namespace() string {
	e.tb.Helper()
	ns := &unstructured.Unstructured{Object: tree{"apiVersion": "v1", "kind": "Namespace", "metadata": tree{"generateName": "t-"}}}
	made, err := e.live.Resource(namespaces).Create(context.Background(), ns, metav1.CreateOptions{})
	if err != nil {
		e.tb.Fatal(err)
	}
	return made.GetName()
}

var (
	namespaces     = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	configMaps     = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	secrets        = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	services       = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	pods           = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	deployments    = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	jobs           = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
	endpointSlices = schema.GroupVersionResource{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"}
)

// jobComplete is the status of a Job that has run.
const jobComplete = `{"status":{"startTime":"2026-01-01T00:00:00Z","completionTime":"2026-01-01T00:00:01Z","succeeded":1,"uncountedTerminatedPods":{},` +
	`"conditions":[{"type":"SuccessCriteriaMet","status":"True","reason":"CompletionsReached"},{"type":"Complete","status":"True","reason":"CompletionsReached"}]}}`

func ptr[T any](v T) *T { return &v }

// get reads a live object; nil means that there is none.
func (e *engine) get(r schema.GroupVersionResource, namespace, name string) *unstructured.Unstructured {
	e.tb.Helper()
	obj, err := e.live.Resource(r).Namespace(namespace).Get(context.Background(), name, metav1.GetOptions{})
	if isGone(err) {
		return nil
	}
	if err != nil {
		e.tb.Fatal(err)
	}
	return obj
}

// edit merges JSON into a live object, as somebody else.
func (e *engine) edit(r schema.GroupVersionResource, namespace, name, patch string, sub ...string) {
	e.tb.Helper()
	if _, err := e.live.Resource(r).Namespace(namespace).Patch(context.Background(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"}, sub...); err != nil {
		e.tb.Fatal(err)
	}
}

// makeReady marks every Deployment of a namespace ready until the test ends, as
// its controller would. unready names those to leave.
func (e *engine) makeReady(namespace string, unready ...string) {
	ctx, cancel := context.WithCancel(context.Background())
	e.tb.Cleanup(cancel)
	go func() {
		for ctx.Err() == nil {
			list, err := e.live.Resource(deployments).Namespace(namespace).List(ctx, metav1.ListOptions{})
			if err == nil {
				for _, d := range list.Items {
					generation, _, _ := unstructured.NestedInt64(d.Object, "metadata", "generation")
					observed, _, _ := unstructured.NestedInt64(d.Object, "status", "observedGeneration")
					if generation == observed || contains(unready, d.GetName()) {
						continue
					}
					patch := fmt.Sprintf(`{"status":{"observedGeneration":%d,"replicas":1,"readyReplicas":1,"availableReplicas":1,"updatedReplicas":1,`+
						`"conditions":[{"type":"Available","status":"True","reason":"r","message":"m"},{"type":"Progressing","status":"True","reason":"NewReplicaSetAvailable","message":"m"}]}}`, generation)
					_, _ = e.live.Resource(deployments).Namespace(namespace).Patch(ctx, d.GetName(), types.MergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
				}
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}

func wantError(tb testing.TB, err error, parts ...string) {
	tb.Helper()
	if err == nil {
		tb.Fatalf("no error, want one with %q", parts)
	}
	text := err.Error()
	if failed := initFailed(err); failed != nil {
		text = strings.Join(failed.GetReasons(), "\n")
	}
	for _, part := range parts {
		if !strings.Contains(text, part) {
			tb.Errorf("error %q does not contain %q", text, part)
		}
	}
}

func deploymentTree(namespace, name, image string) map[string]any {
	return tree{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": tree{"name": name, "namespace": namespace},
		"spec": tree{
			"replicas": int64(1),
			"selector": tree{"matchLabels": tree{"app": name}},
			"template": tree{
				"metadata": tree{"labels": tree{"app": name}},
				"spec": tree{"containers": []any{tree{
					"name": "main", "image": image,
					"resources": tree{"requests": tree{"cpu": "1000m", "memory": "64Mi"}},
				}}},
			},
		},
	}
}

func tokenOf(s string) tokens.Type { return tokens.Type(s) }

func schemaOf(resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: resource}
}

func schemaGVR(group, resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: group, Version: "v1", Resource: resource}
}
