package kubernetes

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshwright/meshwright/internal/testenv"
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
	e := newEngine(t, apiServer(t), map[string]any{"enableConfigMapMutable": true})
	ns := e.namespace()

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
	e := newEngine(t, apiServer(t), nil)
	ns := e.namespace()
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

func TestReplace(t *testing.T) {
	server := apiServer(t)
	t.Run("immutable by the provider's table", func(t *testing.T) {
		e := newEngine(t, server, nil)
		ns := e.namespace()
		e.mustUp("create", configMapType, "cm", configMapTree(ns, "cm", tree{"a": "1"}))
		uid := e.get(configMaps, ns, "cm").GetUID()
		e.mustUp("delete-replace", configMapType, "cm", configMapTree(ns, "cm", tree{"a": "2"}))
		if e.get(configMaps, ns, "cm").GetUID() == uid {
			t.Error("the object was not replaced")
		}
	})
	t.Run("immutable by the API server's dry run", func(t *testing.T) {
		e := newEngine(t, server, map[string]any{"enableConfigMapMutable": true})
		ns := e.namespace()
		service := func(ip string) tree {
			return tree{
				"apiVersion": "v1", "kind": "Service", "metadata": tree{"name": "s", "namespace": ns},
				"spec": tree{"clusterIPs": []any{ip}, "clusterIP": ip, "ports": []any{tree{"port": int64(80)}}},
			}
		}
		e.mustUp("create", serviceType, "s", service("None"))
		// PersistentVolume's claim mode is in no table here: the API server says so.
		pv := func(mode string) tree {
			return tree{
				"apiVersion": "v1", "kind": "PersistentVolume",
				"metadata": tree{"name": "pv-" + ns, "annotations": tree{"pulumi.com/skipAwait": "true"}},
				"spec": tree{
					"capacity": tree{"storage": "1Gi"}, "accessModes": []any{"ReadWriteOnce"}, "volumeMode": mode,
					"hostPath": tree{"path": "/tmp/x"}, "persistentVolumeReclaimPolicy": "Retain",
				},
			}
		}
		const pvType = "kubernetes:core/v1:PersistentVolume"
		e.mustUp("create", pvType, "pv", pv("Filesystem"))
		defer func() { // no controller takes its finalizer away
			e.edit(schemaOf("persistentvolumes"), "", "pv-"+ns, `{"metadata":{"finalizers":null}}`)
		}()
		checked := e.check(pvType, "pv", props(pv("Block")), e.state["pv"].inputs)
		diff, err := e.p.Diff(context.Background(), plugin.DiffRequest{
			URN: e.urn(pvType, "pv"), Type: pvType, ID: e.state["pv"].id, OldInputs: e.state["pv"].inputs, OldOutputs: e.state["pv"].state, NewInputs: checked,
		})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(map[string]string{"spec.volumeMode": "update-replace"}, kinds(diff)); d != "" || !diff.DeleteBeforeReplace {
			t.Errorf("delete before replace %v, diff (-want +got):\n%s", diff.DeleteBeforeReplace, d)
		}
	})
	t.Run("autonamed is created before it is deleted", func(t *testing.T) {
		e := newEngine(t, server, nil)
		ns := e.namespace()
		in := configMapTree(ns, "", tree{"a": "1"})
		delete(in["metadata"].(tree), "name")
		first := e.mustUp("create", configMapType, "auto", in)
		_, name := parseID(string(first.id))
		if !strings.HasPrefix(name, "auto-") || len(name) != len("auto-")+8 {
			t.Errorf("autonamed %q", name)
		}
		if annotation(e.get(configMaps, ns, name), annAutonamed) != "true" {
			t.Error("no annotation pulumi.com/autonamed")
		}
		e.mustUp("same", configMapType, "auto", in)
		in["data"] = tree{"a": "2"}
		checked := e.check(configMapType, "auto", props(in), e.state["auto"].inputs)
		diff, err := e.p.Diff(context.Background(), plugin.DiffRequest{
			URN: e.urn(configMapType, "auto"), Type: configMapType, ID: first.id, OldInputs: first.inputs, OldOutputs: first.state, NewInputs: checked,
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(diff.ReplaceKeys) == 0 || diff.DeleteBeforeReplace {
			t.Errorf("diff %+v", diff)
		}
	})
	t.Run("renamed", func(t *testing.T) {
		e := newEngine(t, server, nil)
		ns := e.namespace()
		e.mustUp("create", configMapType, "cm", configMapTree(ns, "one", tree{"a": "1"}))
		e.mustUp("replace", configMapType, "cm", configMapTree(ns, "two", tree{"a": "1"}))
		if e.get(configMaps, ns, "one") != nil || e.get(configMaps, ns, "two") == nil {
			t.Error("the rename did not replace the object")
		}
	})
}

func TestDrift(t *testing.T) {
	e := newEngine(t, apiServer(t), map[string]any{"enableConfigMapMutable": true})
	ns := e.namespace()
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

func TestNotReady(t *testing.T) {
	e := newEngine(t, apiServer(t), nil)
	ns := e.namespace()
	in := deploymentTree(ns, "web", "nowhere/web:1")
	in["metadata"].(tree)["annotations"] = tree{"pulumi.com/timeoutSeconds": "1"}
	pod := &unstructured.Unstructured{Object: tree{
		"apiVersion": "v1", "kind": "Pod", "metadata": tree{"name": "web-1", "namespace": ns, "labels": tree{"app": "web"}},
		"spec": tree{"containers": []any{tree{"name": "main", "image": "nowhere/web:1"}}},
	}}
	if _, err := e.live.Resource(pods).Namespace(ns).Create(context.Background(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	e.edit(pods, ns, "web-1", `{"status":{"phase":"Pending","containerStatuses":[{"name":"main","image":"x","imageID":"","ready":false,"restartCount":0,`+
		`"state":{"waiting":{"reason":"ImagePullBackOff","message":"Back-off pulling image"}}}]}}`, "status")

	op, err := e.up(deploymentType, "web", props(in))
	if op != "create" {
		t.Fatalf("operation %s", op)
	}
	wantError(t, err, "was successfully created", "failed to fully initialize", "timed out",
		`Deployment "`+ns+`/web" is not ready`, "Pod web-1, container main: waiting: ImagePullBackOff: Back-off pulling image")
	kept := e.state["web"]
	if kept == nil || string(kept.id) != ns+"/web" || isEmpty(mapAt(toTree(kept.state), "metadata")["uid"]) {
		t.Fatalf("what failed to initialise is not in the state: %+v", kept)
	}

	// Nothing changed, but the engine updates what has failed; now it gets ready.
	e.makeReady(ns)
	e.mustUp("update", deploymentType, "web", in)
	e.mustUp("same", deploymentType, "web", in)

	// A refresh sees it unready again.
	e.edit(deployments, ns, "web", `{"status":{"availableReplicas":0,"readyReplicas":0}}`, "status")
	e.refresh("web")
	if len(e.state["web"].initErrors) == 0 {
		t.Error("refresh does not report an unready Deployment")
	}
}

func TestServiceAwait(t *testing.T) {
	e := newEngine(t, apiServer(t), nil)
	ns := e.namespace()
	service := func(name, kind string, selector tree) tree {
		spec := tree{"type": kind, "ports": []any{tree{"port": int64(80)}}}
		if selector != nil {
			spec["selector"] = selector
		}
		return tree{"apiVersion": "v1", "kind": "Service", "metadata": tree{"name": name, "namespace": ns, "annotations": tree{"pulumi.com/timeoutSeconds": "2"}}, "spec": spec}
	}
	e.mustUp("create", serviceType, "no-selector", service("no-selector", "ClusterIP", nil))

	_, err := e.up(serviceType, "empty", props(service("empty", "ClusterIP", tree{"app": "none"})))
	wantError(t, err, "Service does not target any Pods")
	_, err = e.up(serviceType, "lb", props(service("lb", "LoadBalancer", nil)))
	wantError(t, err, "no load-balancer address", "timed out")

	slice := &unstructured.Unstructured{Object: tree{
		"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
		"metadata":  tree{"name": "both-1", "namespace": ns, "labels": tree{"kubernetes.io/service-name": "both"}},
		"endpoints": []any{tree{"addresses": []any{"10.1.2.3"}, "conditions": tree{"ready": true}}},
	}}
	go func() {
		for e.get(services, ns, "both") == nil {
			time.Sleep(20 * time.Millisecond)
		}
		e.edit(services, ns, "both", `{"status":{"loadBalancer":{"ingress":[{"ip":"10.9.9.9"}]}}}`, "status")
		_, _ = e.live.Resource(slices).Namespace(ns).Create(context.Background(), slice, metav1.CreateOptions{})
	}()
	both := e.mustUp("create", serviceType, "both", service("both", "LoadBalancer", tree{"app": "both"}))
	ingress, _, _ := unstructured.NestedSlice(toTree(both.state), "status", "loadBalancer", "ingress")
	if len(ingress) != 1 {
		t.Errorf("the state's load-balancer addresses are %v", ingress)
	}
}

func TestTokenSecret(t *testing.T) {
	e := newEngine(t, apiServer(t), nil)
	ns := e.namespace()
	go func() { // the token controller's part
		for e.get(secrets, ns, "reader") == nil {
			time.Sleep(20 * time.Millisecond)
		}
		e.edit(secrets, ns, "reader", `{"data":{"token":"dG9rZW4=","ca.crt":"Y2E="}}`)
	}()
	made := e.mustUp("create", secretType, "reader", tree{
		"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
		"metadata": tree{"name": "reader", "namespace": ns, "annotations": tree{"kubernetes.io/service-account.name": "reader"}},
	})
	if !made.state["data"].IsSecret() {
		t.Error("the token is not secret")
	}
	if got := mapAt(toTree(made.state), "data")["token"]; got != "dG9rZW4=" {
		t.Errorf("token %v", got)
	}
	e.refresh("reader")
	e.mustUp("same", secretType, "reader", tree{
		"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
		"metadata": tree{"name": "reader", "namespace": ns, "annotations": tree{"kubernetes.io/service-account.name": "reader"}},
	})
}

func TestSecrets(t *testing.T) {
	e := newEngine(t, apiServer(t), map[string]any{"enableSecretMutable": true})
	ns := e.namespace()
	in := props(tree{"apiVersion": "v1", "kind": "Secret", "metadata": tree{"name": "s", "namespace": ns}, "stringData": tree{"password": "hunter2"}})
	if _, err := e.up(secretType, "s", in); err != nil {
		t.Fatal(err)
	}
	if op, err := e.up(secretType, "s", in); op != "same" || err != nil {
		t.Errorf("operation %s, error %v, diff %+v", op, err, e.state["s"].lastDiff)
	}
	leaks := func(when string) {
		t.Helper()
		for name, m := range map[string]resource.PropertyMap{"inputs": e.state["s"].inputs, "state": e.state["s"].state} {
			open := withoutSecrets(resource.NewProperty(m)).String()
			if strings.Contains(open, "hunter2") || strings.Contains(open, "aHVudGVyMg==") {
				t.Errorf("%s: the secret is readable in the %s: %s", when, name, open)
			}
		}
	}
	leaks("after the create")
	e.edit(secrets, ns, "s", `{"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"hunter2"}}}`)
	e.refresh("s")
	leaks("after the refresh")
	if op, err := e.up(secretType, "s", in); op != "same" || err != nil {
		t.Errorf("after the refresh: operation %s, error %v, diff %+v", op, err, e.state["s"].lastDiff)
	}
	rotated := props(tree{"apiVersion": "v1", "kind": "Secret", "metadata": tree{"name": "s", "namespace": ns}, "stringData": tree{"other": "hunter2"}})
	if op, err := e.up(secretType, "s", rotated); op != "update" || err != nil {
		t.Errorf("operation %s, error %v", op, err)
	}
	if d := cmp.Diff(tree{"other": "aHVudGVyMg=="}, mapAt(e.get(secrets, ns, "s").Object, "data")); d != "" {
		t.Errorf("live data (-want +got):\n%s", d)
	}
	leaks("after the update")

	// A secret value anywhere else stays secret where it is.
	cm := props(configMapTree(ns, "cm", tree{"open": "x"}))
	cm["data"].ObjectValue()["closed"] = resource.MakeSecret(resource.NewProperty("hunter2"))
	if _, err := e.up(configMapType, "cm", cm); err != nil {
		t.Fatal(err)
	}
	data := e.state["cm"].state["data"].ObjectValue()
	if !data["closed"].IsSecret() || data["open"].IsSecret() {
		t.Errorf("secretness of the live data: %v", data)
	}
}

// withoutSecrets is what can be read of a value without decrypting.
func withoutSecrets(v resource.PropertyValue) resource.PropertyValue {
	switch {
	case v.IsSecret():
		return resource.NewProperty("[secret]")
	case v.IsObject():
		out := resource.PropertyMap{}
		for k, e := range v.ObjectValue() {
			out[k] = withoutSecrets(e)
		}
		return resource.NewProperty(out)
	case v.IsArray():
		var out []resource.PropertyValue
		for _, e := range v.ArrayValue() {
			out = append(out, withoutSecrets(e))
		}
		return resource.NewProperty(out)
	}
	return v
}

func TestCancellation(t *testing.T) {
	e := newEngine(t, apiServer(t), nil)
	ns := e.namespace()
	in := props(deploymentTree(ns, "web", "web:1"))
	go func() {
		for e.get(deployments, ns, "web") == nil {
			time.Sleep(10 * time.Millisecond)
		}
		_ = e.p.SignalCancellation(context.Background())
	}()
	start := time.Now()
	_, err := e.up(deploymentType, "web", in)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("cancelled after %s", took)
	}
	wantError(t, err, "cancelled", "is not ready")
	if e.state["web"] == nil {
		t.Error("the created object is not in the state")
	}
}

func TestTwoClusters(t *testing.T) {
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

func TestCustomResource(t *testing.T) {
	e := newEngine(t, apiServer(t), nil)
	ns := e.namespace()
	group := ns + ".example.com"
	crd := tree{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": tree{"name": "widgets." + group},
		"spec": tree{
			"group": group, "scope": "Namespaced", "names": tree{"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
			"versions": []any{tree{"name": "v1", "served": true, "storage": true, "schema": tree{"openAPIV3Schema": tree{
				"type": "object", "x-kubernetes-preserve-unknown-fields": true,
			}}}},
		},
	}
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
	e := newEngine(t, apiServer(t), map[string]any{"enableConfigMapMutable": true})
	ns := e.namespace()
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
	e := newEngine(t, apiServer(t), nil)
	ns := e.namespace()
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
