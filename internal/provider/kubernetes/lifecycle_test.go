package kubernetes

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshwright/meshwright/internal/testkit/testenv"
)

const (
	configMapType  = "kubernetes:core/v1:ConfigMap"
	secretType     = "kubernetes:core/v1:Secret"
	serviceType    = "kubernetes:core/v1:Service"
	deploymentType = "kubernetes:apps/v1:Deployment"
	crdType        = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition"
)

func configMapTree(namespace, name string, data map[string]any) tree {
	return tree{"apiVersion": "v1", "kind": "ConfigMap", "metadata": tree{"name": name, "namespace": namespace}, "data": data}
}

func kinds(diff plugin.DiffResponse) map[string]string {
	out := map[string]string{}
	for path, d := range diff.DetailedDiff {
		out[path] = d.Kind.String()
	}
	return out
}

func TestCreateUpdateDelete(t *testing.T) {
	e, ns := start(t, map[string]any{"enableConfigMapMutable": true})

	made := e.mustUp("create", configMapType, "settings", configMapTree(ns, "settings", tree{"a": "1", "b": "2"}))
	if want := resource.ID(ns + "/settings"); made.id != want {
		t.Errorf("id %q, want %q", made.id, want)
	}
	state := toTree(made.state)
	for _, key := range []string{"__inputs", "__initialApiVersion", "__fieldManager"} {
		if state[key] == nil {
			t.Errorf("the state has no %s", key)
		}
	}
	if mapAt(state, "metadata")["managedFields"] != nil || isEmpty(mapAt(state, "metadata")["uid"]) {
		t.Errorf("metadata in the state: %v", state["metadata"])
	}

	e.mustUp("same", configMapType, "settings", configMapTree(ns, "settings", tree{"a": "1", "b": "2"}))
	changed := e.mustUp("update", configMapType, "settings", configMapTree(ns, "settings", tree{"a": "1", "c": "3"}))
	if diff := cmp.Diff(tree{"a": "1", "c": "3"}, mapAt(e.get(configMaps, ns, "settings").Object, "data")); diff != "" {
		t.Errorf("live data after the update (-want +got):\n%s", diff)
	}
	if toTree(changed.state)["__fieldManager"] != state["__fieldManager"] {
		t.Error("the field manager changed in an update")
	}
	e.mustDestroy("settings")
	if e.get(configMaps, ns, "settings") != nil {
		t.Error("the object is still there after the delete")
	}
}

func TestDiffPaths(t *testing.T) {
	e, ns := start(t, nil)
	e.makeReady(ns)
	before := deploymentTree(ns, "web", "web:1")
	e.mustUp("create", deploymentType, "web", before)
	// 1000m is 1 to the API server; the program's spelling must not matter.
	e.mustUp("same", deploymentType, "web", before)

	after := deploymentTree(ns, "web", "web:2")
	after["spec"].(tree)["minReadySeconds"] = int64(1)
	after["metadata"].(tree)["labels"] = tree{"example.com/tier": "front"}
	delete(after["spec"].(tree), "replicas")
	checked := e.check(deploymentType, "web", props(after), e.state["web"].inputs)
	diff, err := e.p.Diff(context.Background(), plugin.DiffRequest{
		URN: e.urn(deploymentType, "web"), Type: deploymentType, ID: e.state["web"].id,
		OldInputs: e.state["web"].inputs, OldOutputs: e.state["web"].state, NewInputs: checked,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"metadata.labels":                        "add",
		"spec.minReadySeconds":                   "add",
		"spec.replicas":                          "delete",
		"spec.template.spec.containers[0].image": "update",
	}
	if d := cmp.Diff(want, kinds(diff)); d != "" {
		t.Errorf("detailed diff (-want +got):\n%s", d)
	}
	if diff.DeleteBeforeReplace || len(diff.ReplaceKeys) > 0 {
		t.Errorf("an in-place change replaces: %+v", diff)
	}
	e.mustUp("update", deploymentType, "web", deploymentTree(ns, "web", "web:2"))
}

func TestDrift(t *testing.T) {
	e, ns := start(t, map[string]any{"enableConfigMapMutable": true})
	in := configMapTree(ns, "cm", tree{"a": "1", "b": "2"})
	e.mustUp("create", configMapType, "cm", in)
	e.refresh("cm")
	e.mustUp("same", configMapType, "cm", in)

	e.edit(configMaps, ns, "cm", `{"data":{"a":"changed","added":"by somebody"}}`)
	e.mustUp("same", configMapType, "cm", in) // not seen without a refresh
	if !e.refresh("cm") {
		t.Fatal("refresh says that it is gone")
	}
	op, err := e.up(configMapType, "cm", props(in))
	if d := cmp.Diff(map[string]string{"data.a": "update"}, kinds(e.state["cm"].lastDiff)); op != "update" || d != "" {
		t.Errorf("operation %s, diff (-want +got):\n%s", op, d)
	}
	// Somebody else owns data.a now, and says so.
	wantError(t, err, "field conflict detected", `.data.a`, `"somebody"`, "pulumi.com/patchForce")

	in["metadata"].(tree)["annotations"] = tree{"pulumi.com/patchForce": "true"}
	e.mustUp("update", configMapType, "cm", in)
	if got := mapAt(e.get(configMaps, ns, "cm").Object, "data")["a"]; got != "1" {
		t.Errorf("data.a is %v after patchForce, want 1", got)
	}

	if err := e.live.Resource(configMaps).Namespace(ns).Delete(context.Background(), "cm", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	saved := *e.state["cm"]
	if e.refresh("cm") {
		t.Error("refresh does not see that the object is gone")
	}
	e.state["cm"] = &saved
	e.mustDestroy("cm") // deleting what is gone succeeds
}

func TestExistingObject(t *testing.T) {
	t.Parallel()
	server := apiServer(t)
	e := newEngine(t, server, nil)
	ns := e.namespace()
	in := configMapTree(ns, "cm", tree{"a": "1"})
	foreign := &unstructured.Unstructured{Object: configMapTree(ns, "cm", tree{"z": "9"})}
	if _, err := e.live.Resource(configMaps).Namespace(ns).Create(context.Background(), foreign, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err := e.up(configMapType, "cm", props(in))
	wantError(t, err, `configmaps "cm" already exists`, "upsertExistingObjects")

	upsert := newEngine(t, server, map[string]any{"upsertExistingObjects": true})
	upsert.mustUp("create", configMapType, "cm", in)

	// An update that was killed after the apply finds its own object again.
	killed := newEngine(t, server, nil)
	killed.mustUp("create", configMapType, "mine", configMapTree(ns, "mine", tree{"a": "1"}))
	delete(killed.state, "mine")
	killed.mustUp("create", configMapType, "mine", configMapTree(ns, "mine", tree{"a": "1"}))
}

func TestTwoClusters(t *testing.T) {
	t.Parallel()
	first := apiServer(t)
	second, err := testenv.Start(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Stop()
	done := make(chan error, 2)
	run := func(server *testenv.APIServer, value string) *engine {
		e := newEngine(t, server, nil)
		go func() {
			var err error
			for i := 0; i < 10 && err == nil; i++ {
				name := "two-" + string(rune('a'+i))
				_, err = e.p.Create(context.Background(), plugin.CreateRequest{
					URN: e.urn(configMapType, name), Type: configMapType, Properties: props(configMapTree("default", name, tree{"cluster": value})),
				})
			}
			done <- err
		}()
		return e
	}
	engines := map[string]*engine{"one": run(first, "one"), "two": run(second, "two")}
	for range 2 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	for value, e := range engines {
		if got := mapAt(e.get(configMaps, "default", "two-j").Object, "data")["cluster"]; got != value {
			t.Errorf("cluster %s holds the object of %v", value, got)
		}
	}
}

// widgetDefinition defines a kind Widget of any shape.
func widgetDefinition(group string) tree {
	return tree{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": tree{"name": "widgets." + group},
		"spec": tree{
			"group": group, "scope": "Namespaced", "names": tree{"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
			"versions": []any{tree{"name": "v1", "served": true, "storage": true, "schema": tree{"openAPIV3Schema": tree{
				"type": "object", "x-kubernetes-preserve-unknown-fields": true,
			}}}},
		},
	}
}

func TestCustomResource(t *testing.T) {
	e, ns := start(t, nil)
	group := ns + ".example.com"
	crd := widgetDefinition(group)
	widgetType := "kubernetes:" + group + "/v1:Widget"
	widget := tree{"apiVersion": group + "/v1", "kind": "Widget", "metadata": tree{"name": "w", "namespace": ns}, "spec": tree{"size": int64(3), "ratio": 0.5}}

	// The resource starts first and waits for its definition.
	result := make(chan error, 1)
	checked := e.check(tokenOf(widgetType), "w", props(widget), nil)
	go func() { result <- e.create(tokenOf(widgetType), "w", checked) }()
	time.Sleep(200 * time.Millisecond)
	f := newEngine(t, apiServer(t), nil)
	f.mustUp("create", crdType, "crd", crd)
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	e.mustUp("same", tokenOf(widgetType), "w", widget)
	f.mustUp("same", crdType, "crd", crd)
	widget["spec"] = tree{"size": int64(4), "ratio": 0.5}
	e.mustUp("update", tokenOf(widgetType), "w", widget)

	widget["metadata"].(tree)["annotations"] = tree{"pulumi.com/waitFor": `["condition=Ready","jsonpath={.status.phase}=Running"]`}
	go e.edit(schemaGVR(group, "widgets"), ns, "w", `{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}`)
	e.mustUp("update", tokenOf(widgetType), "w", widget)

	// Without its definition there is nothing left to read or delete.
	f.mustDestroy("crd")
	saved := *e.state["w"]
	if e.refresh("w") {
		t.Error("refresh finds a resource without a definition")
	}
	e.state["w"] = &saved
	e.mustDestroy("w")
}

func TestImport(t *testing.T) {
	e, ns := start(t, map[string]any{"enableConfigMapMutable": true})
	foreign := &unstructured.Unstructured{Object: configMapTree(ns, "cm", tree{"a": "1"})}
	if _, err := e.live.Resource(configMaps).Namespace(ns).Create(context.Background(), foreign, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	e.state["cm"] = &entry{typ: configMapType, id: resource.ID(ns + "/cm")}
	if !e.refresh("cm") {
		t.Fatal("import finds nothing")
	}
	if d := cmp.Diff(configMapTree(ns, "cm", tree{"a": "1"}), toTree(e.state["cm"].inputs)); d != "" {
		t.Errorf("imported inputs (-want +got):\n%s", d)
	}
	e.mustUp("same", configMapType, "cm", configMapTree(ns, "cm", tree{"a": "1"}))
}

func TestPatchResource(t *testing.T) {
	e, ns := start(t, nil)
	const patchType = "kubernetes:core/v1:NamespacePatch"
	e.mustUp("create", patchType, "label", tree{"apiVersion": "v1", "kind": "Namespace", "metadata": tree{"name": ns, "labels": tree{"mine": "yes"}}})
	if e.get(namespaces, "", ns).GetLabels()["mine"] != "yes" {
		t.Error("the label was not set")
	}
	e.mustDestroy("label")
	if live := e.get(namespaces, "", ns); live == nil || live.GetDeletionTimestamp() != nil || live.GetLabels()["mine"] != "" {
		t.Errorf("after the delete of the patch: %v", live)
	}
}
