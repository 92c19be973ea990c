package kubernetes

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"go.uber.org/goleak"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/meshwright/meshwright/internal/testkit/testenv"
)

var webhooks = schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingwebhookconfigurations"}

// A webhook that is registered before it serves delays an apply but does not fail it.
func TestWebhookNotServing(t *testing.T) {
	ctx := context.Background()
	e, ns := start(t, nil)
	hook := &unstructured.Unstructured{Object: tree{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": tree{"name": ns},
		"webhooks": []any{tree{
			"name": "late.example.com", "sideEffects": "None", "admissionReviewVersions": []any{"v1"}, "failurePolicy": "Fail", "timeoutSeconds": int64(1),
			"clientConfig":      tree{"url": "https://127.0.0.1:1/"},
			"namespaceSelector": tree{"matchLabels": tree{"kubernetes.io/metadata.name": ns}},
			"rules":             []any{tree{"apiGroups": []any{""}, "apiVersions": []any{"v1"}, "operations": []any{"CREATE"}, "resources": []any{"configmaps"}}},
		}},
	}}
	if _, err := e.live.Resource(webhooks).Create(ctx, hook, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	remove := func() { _ = e.live.Resource(webhooks).Delete(ctx, ns, metav1.DeleteOptions{}) }
	defer remove()

	in := configMapTree(ns, "cm", tree{"a": "1"})
	in["metadata"].(tree)["annotations"] = tree{annTimeout: "4"}
	for deadline := time.Now().Add(20 * time.Second); ; { // until the API server knows the webhook
		_, err := e.up(configMapType, "cm", props(in))
		if err != nil {
			wantError(t, err, "failed calling webhook", "gave up after")
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the webhook is never called")
		}
		e.mustDestroy("cm")
	}
	// It ends before the resource's own time does, and the webhook is named.
	e.p.busy = time.Second
	in["metadata"].(tree)["annotations"] = tree{annTimeout: "60"}
	_, err := e.up(configMapType, "cm", props(in))
	wantError(t, err, "the admission webhook late.example.com does not answer; gave up after")
	e.p.busy = 0
	time.AfterFunc(300*time.Millisecond, remove)
	in["metadata"].(tree)["annotations"] = tree{annTimeout: "30"}
	e.mustUp("create", configMapType, "cm", in)
}

// When the last attempt fails because the time is over, the error before it is reported.
func TestWhatIsRepeatedIsNamed(t *testing.T) {
	busy := apierrors.NewServiceUnavailable("still starting")
	own := errors.New("no such field")
	for name, tc := range map[string]struct {
		atTheEnd error
		want     []string
	}{
		"the deadline during it": {context.DeadlineExceeded, []string{"still starting", "gave up after"}},
		"refused by the client":  {errors.New("rate: Wait(n=1) would exceed context deadline"), []string{"still starting", "gave up after"}},
		"refused by the server":  {apierrors.NewBadRequest("no such field"), []string{"no such field"}},
		"waited for":             {&waitError{state: "0 of 1 ready"}, []string{"0 of 1 ready"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			attempts := 0
			err := (&Provider{}).settle(ctx, "", func() error {
				if attempts++; attempts == 1 {
					return busy
				}
				deadline, _ := ctx.Deadline()
				time.Sleep(time.Until(deadline) - 20*time.Millisecond)
				return tc.atTheEnd
			})
			wantError(t, err, tc.want...)
			if attempts != 2 {
				t.Errorf("%d attempts", attempts)
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	first := true
	err := (&Provider{}).settle(ctx, "", func() error {
		if first {
			first = false
			return busy
		}
		return own
	})
	if err != own { //nolint:errorlint // the very one
		t.Errorf("an error with time left: %v", err)
	}
}

func TestNamespaceMissing(t *testing.T) {
	t.Parallel()
	e := newEngine(t, apiServer(t), nil)
	ns := e.namespace() + "-later"
	time.AfterFunc(300*time.Millisecond, func() {
		_, _ = e.live.Resource(namespaces).Create(context.Background(), &unstructured.Unstructured{Object: tree{
			"apiVersion": "v1", "kind": "Namespace", "metadata": tree{"name": ns},
		}}, metav1.CreateOptions{})
	})
	e.mustUp("create", configMapType, "cm", configMapTree(ns, "cm", tree{"a": "1"}))
}

// An API server that goes away in the middle of waiting comes back to a wait
// that still stands.
func TestAPIServerRestart(t *testing.T) {
	t.Parallel()
	testenv.Need(t)
	ctx := context.Background()
	server, err := testenv.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	e := newEngine(t, server, nil)
	done := make(chan error, 1)
	in := props(deploymentTree("default", "web", "web:1"))
	go func() {
		_, err := e.up(deploymentType, "web", in)
		done <- err
	}()
	for e.get(deployments, "default", "web") == nil {
		time.Sleep(20 * time.Millisecond)
	}
	server.StopAPIServer()
	time.Sleep(300 * time.Millisecond)
	if err := server.StartAPIServer(ctx); err != nil {
		t.Fatal(err)
	}
	e.makeReady("default")
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(60 * time.Second):
		t.Fatal("the wait does not survive a restart of the API server")
	}
}

func TestDeleteHeldByFinalizer(t *testing.T) {
	e, ns := start(t, nil)
	in := configMapTree(ns, "cm", tree{"a": "1"})
	in["metadata"].(tree)["annotations"] = tree{annTimeout: "1"}
	e.mustUp("create", configMapType, "cm", in)
	e.edit(configMaps, ns, "cm", `{"metadata":{"finalizers":["example.com/hold"]}}`)
	old := e.state["cm"]
	_, err := e.p.Delete(context.Background(), plugin.DeleteRequest{URN: e.urn(configMapType, "cm"), Type: configMapType, ID: old.id, Inputs: old.inputs, Outputs: old.state})
	wantError(t, err, "is still being deleted", "example.com/hold", "timed out")

	// Made again before it is gone, it waits for its name.
	time.AfterFunc(300*time.Millisecond, func() { e.edit(configMaps, ns, "cm", `{"metadata":{"finalizers":null}}`) })
	delete(e.state, "cm")
	in["metadata"].(tree)["annotations"] = tree{annTimeout: "20"}
	made := e.mustUp("create", configMapType, "cm", in)
	if uid := mapAt(toTree(made.state), "metadata")["uid"]; uid == mapAt(toTree(old.state), "metadata")["uid"] {
		t.Error("the object that was being deleted was taken for the new one")
	}
}

func TestReplaceUnready(t *testing.T) {
	t.Parallel()
	const jobType = "kubernetes:batch/v1:Job"
	e := newEngine(t, apiServer(t), nil)
	ns := e.namespace()
	job := tree{
		"apiVersion": "batch/v1", "kind": "Job",
		"metadata": tree{"name": "j", "namespace": ns, "annotations": tree{annReplaceUnready: "true", annTimeout: "1", annPropagation: "background"}},
		"spec":     tree{"template": tree{"spec": tree{"restartPolicy": "Never", "containers": []any{tree{"name": "c", "image": "x"}}}}},
	}
	_, err := e.up(jobType, "j", props(job))
	wantError(t, err, `Job "`+ns+`/j" is not ready`, "0 active")
	complete := func() {
		e.edit(jobs, ns, "j", jobComplete, "status")
	}
	first := e.get(jobs, ns, "j").GetUID()
	go func() {
		for live := e.get(jobs, ns, "j"); live == nil || live.GetUID() == first; live = e.get(jobs, ns, "j") {
			time.Sleep(20 * time.Millisecond)
		}
		complete()
	}()
	job["metadata"].(tree)["annotations"].(tree)[annTimeout] = "20"
	e.mustUp("delete-replace", jobType, "j", job)
	e.mustUp("same", jobType, "j", job)
}

// In a preview nothing is written, and what the API server would fill in is known.
func TestPreview(t *testing.T) {
	ctx := context.Background()
	e, ns := start(t, map[string]any{"enableConfigMapMutable": true})
	urn := e.urn(serviceType, "s")
	service := tree{"apiVersion": "v1", "kind": "Service", "metadata": tree{"name": "s", "namespace": ns}, "spec": tree{"ports": []any{tree{"port": int64(80)}}}}
	checked := e.check(serviceType, "s", props(service), nil)
	res, err := e.p.Create(ctx, plugin.CreateRequest{URN: urn, Type: serviceType, Properties: checked, Preview: true})
	if err != nil {
		t.Fatal(err)
	}
	state := toTree(res.Properties)
	if res.ID != "" || state["status"] != nil || mapAt(state, "metadata")["uid"] != nil {
		t.Errorf("a preview knows what cannot be known: %v", state)
	}
	if mapAt(state, "spec")["sessionAffinity"] != "None" {
		t.Errorf("the defaults are not in the preview: %v", state["spec"])
	}
	if e.get(services, ns, "s") != nil {
		t.Error("the preview made the object")
	}

	// Unknown inputs come back as they are.
	service["spec"].(tree)["externalName"] = unknown
	checked = e.check(serviceType, "s", props(service), nil)
	res, err = e.p.Create(ctx, plugin.CreateRequest{URN: urn, Type: serviceType, Properties: checked, Preview: true})
	if err != nil || !res.Properties["spec"].ObjectValue()["externalName"].IsComputed() {
		t.Errorf("%v, error %v", res.Properties, err)
	}

	e.mustUp("create", configMapType, "cm", configMapTree(ns, "cm", tree{"a": "1"}))
	old := e.state["cm"]
	news := e.check(configMapType, "cm", props(configMapTree(ns, "cm", tree{"a": "2"})), old.inputs)
	if _, err := e.p.Update(ctx, plugin.UpdateRequest{URN: e.urn(configMapType, "cm"), Type: configMapType, ID: old.id, OldInputs: old.inputs, OldOutputs: old.state, NewInputs: news, Preview: true}); err != nil {
		t.Fatal(err)
	}
	if got := mapAt(e.get(configMaps, ns, "cm").Object, "data")["a"]; got != "1" {
		t.Errorf("the preview changed the object: %v", got)
	}

	// An unknown value is an update, not a replacement nor nothing.
	unknownData := configMapTree(ns, "cm", tree{"a": unknown})
	diff, err := e.p.Diff(ctx, plugin.DiffRequest{
		URN: e.urn(configMapType, "cm"), Type: configMapType, ID: old.id, OldInputs: old.inputs, OldOutputs: old.state,
		NewInputs: e.check(configMapType, "cm", props(unknownData), old.inputs),
	})
	if err != nil || diff.DetailedDiff["data.a"].Kind != plugin.DiffUpdate || len(diff.ReplaceKeys) > 0 {
		t.Errorf("%+v, error %v", diff, err)
	}
}

func TestIgnoreChanges(t *testing.T) {
	e, ns := start(t, map[string]any{"enableConfigMapMutable": true})
	e.mustUp("create", configMapType, "cm", configMapTree(ns, "cm", tree{"a": "1"}))
	e.edit(configMaps, ns, "cm", `{"data":{"a":"theirs"}}`)
	old := e.state["cm"]
	news := e.check(configMapType, "cm", props(configMapTree(ns, "cm", tree{"a": "1", "b": "2"})), old.inputs)
	diff, err := e.p.Diff(context.Background(), plugin.DiffRequest{
		URN: e.urn(configMapType, "cm"), Type: configMapType, ID: old.id, OldInputs: old.inputs, OldOutputs: old.state, NewInputs: news, IgnoreChanges: []string{"data.b"},
	})
	if err != nil || diff.Changes != plugin.DiffNone {
		t.Errorf("%+v, error %v", diff, err)
	}
	// Applied with the field ignored, it does not conflict with its new owner.
	_, err = e.p.Update(context.Background(), plugin.UpdateRequest{
		URN: e.urn(configMapType, "cm"), Type: configMapType, ID: old.id, OldInputs: old.inputs, OldOutputs: old.state, NewInputs: news, IgnoreChanges: []string{"data.a"},
	})
	if err != nil {
		t.Fatal(err)
	}
	data := mapAt(e.get(configMaps, ns, "cm").Object, "data")
	if data["a"] != "theirs" || data["b"] != "2" {
		t.Errorf("live data %v", data)
	}
}

// The definition of an object in a release can be gone before the release.
func TestUninstallWithoutDefinition(t *testing.T) {
	ctx := context.Background()
	e, ns := start(t, nil)
	e.makeReady(ns)
	e.mustUp("create", releaseType, "tiny", releaseTree(ns, tree{}))
	cfg := e.helm(ns)
	last, err := lastRelease(cfg, "tiny")
	if err != nil {
		t.Fatal(err)
	}
	last.Manifest += "---\napiVersion: gone.example.com/v1\nkind: Gone\nmetadata:\n  name: x\n"
	if err := cfg.Releases.Update(last); err != nil {
		t.Fatal(err)
	}
	_, err = e.p.Delete(ctx, plugin.DeleteRequest{URN: e.urn(releaseType, "tiny"), Type: releaseType, ID: resource.ID(ns + "/tiny"), Inputs: e.state["tiny"].inputs})
	if err != nil {
		t.Fatal(err)
	}
	if e.get(configMaps, ns, "tiny") != nil {
		t.Error("the rest of the release is still there")
	}
}

// A provider that is closed leaves nothing running, also one that was cancelled.
func TestNothingLeftRunning(t *testing.T) {
	apiServer(t)
	e := newEngine(t, apiServer(t), nil)
	ns := e.namespace()
	before := goleak.IgnoreCurrent()
	run := newEngine(t, apiServer(t), nil)
	run.live = e.live
	time.AfterFunc(500*time.Millisecond, func() { _ = run.p.SignalCancellation(context.Background()) })
	if _, err := run.up(deploymentType, "web", props(deploymentTree(ns, "web", "web:1"))); err == nil {
		t.Error("the create was not cancelled")
	}
	more := newEngine(t, apiServer(t), nil)
	more.live = e.live
	time.AfterFunc(500*time.Millisecond, func() { _ = more.p.SignalCancellation(context.Background()) })
	if _, err := more.up(releaseType, "tiny", props(releaseTree(ns, tree{}))); err == nil {
		t.Error("the release was not cancelled")
	}
	for _, p := range []*Provider{run.p, more.p} {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	goleak.VerifyNone(t, before)
}
