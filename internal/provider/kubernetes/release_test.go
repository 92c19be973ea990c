package kubernetes

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/asset"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/release"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func releaseTree(namespace string, values map[string]any) tree {
	return tree{"chart": "tiny", "name": "tiny", "namespace": namespace, "values": values, "timeout": int64(20), "compat": "true"}
}

func releaseStatus(en *entry) map[string]any { return mapAt(toTree(en.state), "status") }

// helm returns Helm's view of a namespace.
func (e *engine) helm(namespace string) *action.Configuration {
	e.tb.Helper()
	conf, c := e.p.configured()
	cfg, err := e.p.helmAction(context.Background(), conf, c, namespace, nil)
	if err != nil {
		e.tb.Fatal(err)
	}
	return cfg
}

func TestReleaseLifecycle(t *testing.T) {
	e, ns := start(t, nil)
	e.makeReady(ns)

	made := e.mustUp("create", releaseType, "tiny", releaseTree(ns, tree{"greeting": "hi"}))
	if want := resource.ID(ns + "/tiny"); made.id != want {
		t.Errorf("id %q, want %q", made.id, want)
	}
	want := tree{"name": "tiny", "namespace": ns, "revision": int64(1), "status": "deployed", "chart": "tiny", "version": "0.1.0", "appVersion": "1.2.3"}
	if d := cmp.Diff(want, releaseStatus(made)); d != "" {
		t.Errorf("status (-want +got):\n%s", d)
	}
	names := tree{"ConfigMap/v1": []any{"tiny"}, "Secret/v1": []any{"tiny"}, "Deployment.apps/apps/v1": []any{"tiny"}}
	if d := cmp.Diff(names, toTree(made.state)["resourceNames"]); d != "" {
		t.Errorf("resourceNames (-want +got):\n%s", d)
	}
	if !made.state[keyInputs].IsSecret() {
		t.Error("__inputs is not secret")
	}
	e.mustUp("same", releaseType, "tiny", releaseTree(ns, tree{"greeting": "hi"}))
	e.refresh("tiny")
	e.mustUp("same", releaseType, "tiny", releaseTree(ns, tree{"greeting": "hi"}))

	upgraded := e.mustUp("update", releaseType, "tiny", releaseTree(ns, tree{"greeting": "good day"}))
	if got := releaseStatus(upgraded)["revision"]; got != int64(2) {
		t.Errorf("revision %v, want 2", got)
	}
	if got := mapAt(e.get(configMaps, ns, "tiny").Object, "data")["greeting"]; got != "good day" {
		t.Errorf("greeting %v", got)
	}
	// Empty values are the chart's defaults again, and not what was there before.
	e.mustUp("update", releaseType, "tiny", releaseTree(ns, tree{}))
	if got := mapAt(e.get(configMaps, ns, "tiny").Object, "data")["greeting"]; got != "hello" {
		t.Errorf("greeting without values: %v", got)
	}
	e.mustDestroy("tiny")
	if e.get(configMaps, ns, "tiny") != nil || e.get(deployments, ns, "tiny") != nil {
		t.Error("the release's objects are still there")
	}
	e.state["tiny"] = upgraded
	if e.refresh("tiny") {
		t.Error("refresh finds an uninstalled release")
	}
	e.state["tiny"] = upgraded
	e.mustDestroy("tiny")
}

func TestReleaseDrift(t *testing.T) {
	e, ns := start(t, nil)
	e.makeReady(ns)
	e.mustUp("create", releaseType, "tiny", releaseTree(ns, tree{"greeting": "hi"}))

	byHand := action.NewUpgrade(e.helm(ns))
	byHand.Namespace = ns
	ch, err := e.p.findChart(config{}, &releaseInputs{Chart: "tiny"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := byHand.Run("tiny", ch, map[string]any{"greeting": "by hand"}); err != nil {
		t.Fatal(err)
	}
	e.mustUp("same", releaseType, "tiny", releaseTree(ns, tree{"greeting": "hi"}))
	e.refresh("tiny")
	op, err := e.up(releaseType, "tiny", props(releaseTree(ns, tree{"greeting": "hi"})))
	if d := cmp.Diff(map[string]string{"values.greeting": "update"}, kinds(e.state["tiny"].lastDiff)); d != "" && op != "update" || err != nil {
		t.Errorf("operation %s, error %v, diff (-want +got):\n%s", op, err, d)
	}
	if got := mapAt(e.get(configMaps, ns, "tiny").Object, "data")["greeting"]; got != "hi" {
		t.Errorf("greeting %v after the update", got)
	}
}

// Objects of a release that somebody deleted or edited are restored after a refresh. What
// others added stays.
func TestReleaseObjectDrift(t *testing.T) {
	ctx := context.Background()
	e, ns := start(t, nil)
	e.makeReady(ns)
	group := ns + ".example.com"
	widgets := schema.GroupVersionResource{Group: group, Version: "v1", Resource: "widgets"}
	e.mustUp("create", crdType, "crd", widgetDefinition(group))
	in := releaseTree(ns, tree{"greeting": "hi", "widgets": group})
	for name, tc := range map[string]struct {
		change func()
		reason string
		back   func() bool
	}{
		"deleted": {
			func() {
				if err := e.live.Resource(deployments).Namespace(ns).Delete(ctx, "tiny", metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
			},
			`Deployment "` + ns + `/tiny" is missing`,
			func() bool { return e.get(deployments, ns, "tiny") != nil },
		},
		"edited": {
			func() { e.edit(configMaps, ns, "tiny", `{"data":{"greeting":"edited","more":"of others"}}`) },
			`ConfigMap "` + ns + `/tiny" was changed: data.greeting`,
			func() bool {
				data := mapAt(e.get(configMaps, ns, "tiny").Object, "data")
				return data["greeting"] == "hi" && data["more"] == "of others"
			},
		},
		"scaled to 0": {
			func() { e.edit(deployments, ns, "tiny", `{"spec":{"replicas":0}}`) },
			`Deployment "` + ns + `/tiny" was changed: spec.replicas`,
			func() bool { return mapAt(e.get(deployments, ns, "tiny").Object, "spec")["replicas"] == int64(1) },
		},
		"of a kind that Helm does not know": {
			func() { e.edit(widgets, ns, "tiny", `{"spec":{"size":7,"color":"blue"}}`) },
			`Widget "` + ns + `/tiny" was changed: spec.size`,
			func() bool {
				spec := mapAt(e.get(widgets, ns, "tiny").Object, "spec")
				return spec["size"] == int64(1) && spec["color"] == "blue"
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			e.mustUp(map[bool]string{true: "create", false: "same"}[e.state["tiny"] == nil], releaseType, "tiny", in)
			e.refresh("tiny")
			if got := e.state["tiny"].initErrors; len(got) > 0 {
				t.Fatalf("drift of an untouched release: %q", got)
			}
			tc.change()
			e.mustUp("same", releaseType, "tiny", in) // without a refresh nothing is read
			e.refresh("tiny")
			if d := cmp.Diff([]string{tc.reason}, e.state["tiny"].initErrors); d != "" {
				t.Errorf("drift (-want +got):\n%s", d)
			}
			e.mustUp("update", releaseType, "tiny", in)
			if !tc.back() {
				t.Error("it was not restored")
			}
		})
	}
}

func TestReleaseNotReady(t *testing.T) {
	e, ns := start(t, nil)
	in := releaseTree(ns, tree{"greeting": "hi"})
	in["timeout"] = int64(1)
	start := time.Now()
	_, err := e.up(releaseType, "tiny", props(in))
	wantError(t, err, "was created, but failed to initialize completely", `Deployment "`+ns+`/tiny" is not ready`, "timed out")
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("a timeout of 1 s took %s", took)
	}
	kept := e.state["tiny"]
	if kept == nil || releaseStatus(kept)["status"] != "failed" {
		t.Fatalf("the failed release is not in the state: %+v", kept)
	}
	// The next update upgrades the failed release; nothing to do by hand.
	e.makeReady(ns)
	again := e.mustUp("update", releaseType, "tiny", in)
	if releaseStatus(again)["status"] != "deployed" {
		t.Errorf("status %v", releaseStatus(again))
	}
	e.mustUp("same", releaseType, "tiny", in)
}

func TestReleaseRefused(t *testing.T) {
	e, ns := start(t, nil)
	e.makeReady(ns)
	// The API server refuses one object: Helm has recorded the release by then.
	_, err := e.up(releaseType, "tiny", props(releaseTree(ns, tree{"broken": true})))
	wantError(t, err, "Not_A_Name")
	if e.state["tiny"] == nil {
		t.Fatal("the failed release is not in the state")
	}
	e.mustUp("update", releaseType, "tiny", releaseTree(ns, tree{}))
}

func TestReleaseOfSomebodyElse(t *testing.T) {
	e, ns := start(t, nil)
	e.makeReady(ns)
	ch, err := e.p.findChart(config{}, &releaseInputs{Chart: "tiny"})
	if err != nil {
		t.Fatal(err)
	}
	foreign := action.NewInstall(e.helm(ns))
	foreign.ReleaseName, foreign.Namespace = "tiny", ns
	if _, err := foreign.Run(ch, map[string]any{"greeting": "theirs"}); err != nil {
		t.Fatal(err)
	}
	_, err = e.up(releaseType, "tiny", props(releaseTree(ns, tree{})))
	wantError(t, err, "cannot re-use the name", "still in use")
	if e.state["tiny"] != nil {
		t.Error("somebody else's release got into the state")
	}
	if got := mapAt(e.get(configMaps, ns, "tiny").Object, "data")["greeting"]; got != "theirs" {
		t.Errorf("somebody else's release was changed: %v", got)
	}

	// Imported, it is ours.
	e.state["tiny"] = &entry{typ: releaseType, id: resource.ID(ns + "/tiny")}
	if !e.refresh("tiny") {
		t.Fatal("import finds nothing")
	}
	if d := cmp.Diff(tree{"greeting": "theirs"}, toTree(e.state["tiny"].inputs)["values"]); d != "" {
		t.Errorf("imported values (-want +got):\n%s", d)
	}
	e.mustUp("update", releaseType, "tiny", releaseTree(ns, tree{"greeting": "ours"}))
}

// A process that is killed leaves a release in the middle of something and
// nothing, or the state before, in the stack.
func TestReleaseRecovery(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status  release.Status
		inState bool
		want    string
	}{
		"killed while installing":              {release.StatusPendingInstall, false, "create"},
		"killed after installing":              {release.StatusDeployed, false, "create"},
		"killed after a failure":               {release.StatusFailed, false, "create"},
		"killed while upgrading":               {release.StatusPendingUpgrade, true, "update"},
		"killed while rolling back":            {release.StatusPendingRollback, true, "update"},
		"killed while uninstalling":            {release.StatusUninstalling, true, "update"},
		"killed while uninstalling, not known": {release.StatusUninstalling, false, "create"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e, ns := start(t, nil)
			e.makeReady(ns)
			e.mustUp("create", releaseType, "tiny", releaseTree(ns, tree{"greeting": "before"}))
			cfg := e.helm(ns)
			last, err := lastRelease(cfg, "tiny")
			if err != nil || last == nil {
				t.Fatalf("release %v, error %v", last, err)
			}
			last.Info.Status = test.status
			if err := cfg.Releases.Update(last); err != nil {
				t.Fatal(err)
			}
			// Half of the objects are missing.
			if err := e.live.Resource(configMaps).Namespace(ns).Delete(context.Background(), "tiny", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			if !test.inState {
				delete(e.state, "tiny")
			}
			done := e.mustUp(test.want, releaseType, "tiny", releaseTree(ns, tree{"greeting": "after"}))
			if releaseStatus(done)["status"] != "deployed" {
				t.Errorf("status %v", releaseStatus(done))
			}
			if got := mapAt(e.get(configMaps, ns, "tiny").Object, "data")["greeting"]; got != "after" {
				t.Errorf("greeting %v", got)
			}
			e.mustDestroy("tiny")
		})
	}
}

func TestReleaseCancellation(t *testing.T) {
	e, ns := start(t, nil)
	go func() {
		for e.get(deployments, ns, "tiny") == nil {
			time.Sleep(10 * time.Millisecond)
		}
		_ = e.p.SignalCancellation(context.Background())
	}()
	start := time.Now()
	_, err := e.up(releaseType, "tiny", props(releaseTree(ns, tree{})))
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("cancelled after %s", took)
	}
	if err == nil || e.state["tiny"] == nil {
		t.Fatalf("error %v, state %v", err, e.state["tiny"])
	}
	// The state that a cancelled update leaves can be destroyed.
	f := newEngine(t, apiServer(t), nil)
	f.state, f.stack = e.state, e.stack
	f.mustDestroy("tiny")
}

func TestReleaseHook(t *testing.T) {
	e, ns := start(t, nil)
	e.makeReady(ns)
	in := releaseTree(ns, tree{"hook": true})
	in["timeout"] = int64(1)
	_, err := e.up(releaseType, "tiny", props(in))
	wantError(t, err, "post-install", `Job "`+ns+`/tiny-hook" is not ready`, "timed out")

	e.mustDestroy("tiny")
	if err := e.live.Resource(jobs).Namespace(ns).Delete(context.Background(), "tiny-hook", metav1.DeleteOptions{PropagationPolicy: ptr(metav1.DeletePropagationBackground)}); err != nil {
		t.Fatal(err)
	}
	in["timeout"] = int64(20)
	go func() {
		for e.get(jobs, ns, "tiny-hook") == nil {
			time.Sleep(20 * time.Millisecond)
		}
		e.edit(jobs, ns, "tiny-hook", jobComplete, "status")
	}()
	made := e.mustUp("create", releaseType, "tiny", in)
	if releaseStatus(made)["status"] != "deployed" {
		t.Errorf("status %v", releaseStatus(made))
	}
	if names := mapAt(toTree(made.inputs), "resourceNames"); names["Job.batch/batch/v1"] == nil {
		t.Errorf("the hook is not among the resources of the inputs: %v", names)
	}
}

func TestReleaseSecretValues(t *testing.T) {
	e, ns := start(t, nil)
	e.makeReady(ns)
	in := props(releaseTree(ns, tree{"greeting": "hi"}))
	in["values"].ObjectValue()["password"] = resource.MakeSecret(resource.NewProperty("hunter2"))
	if _, err := e.up(releaseType, "tiny", in); err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		for name, m := range map[string]resource.PropertyMap{"inputs": e.state["tiny"].inputs, "state": e.state["tiny"].state} {
			if open := withoutSecrets(resource.NewProperty(m)).String(); strings.Contains(open, "hunter2") {
				t.Errorf("round %d: the secret is readable in the %s: %s", round, name, open)
			}
		}
		e.refresh("tiny")
	}
	if op, err := e.up(releaseType, "tiny", in); op != "same" || err != nil {
		t.Errorf("operation %s, error %v, diff %+v", op, err, e.state["tiny"].lastDiff)
	}
}

func TestReleaseCheck(t *testing.T) {
	p := newProvider(Options{ChartRoot: "testdata"})
	urn := resource.NewURN("dev", "test", "", releaseType, "tiny")
	check := func(in resource.PropertyMap) plugin.CheckResponse {
		t.Helper()
		res, err := p.Check(context.Background(), plugin.CheckRequest{URN: urn, Name: "tiny", Type: releaseType, News: in, RandomSeed: []byte("seed")})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	t.Run("completes without a cluster", func(t *testing.T) {
		got := check(props(tree{"chart": "tiny"})).Properties
		if name := got["name"].StringValue(); !strings.HasPrefix(name, "tiny-") {
			t.Errorf("name %q", name)
		}
		if got["timeout"].NumberValue() != 300 || got["checksum"].StringValue() == "" {
			t.Errorf("inputs %v", got)
		}
		if again := check(props(tree{"chart": "tiny"})).Properties; !again.DeepEquals(got) {
			t.Errorf("the same inputs give %v and %v", got, again)
		}
		if other := check(props(tree{"chart": "tiny", "values": tree{"greeting": "x"}})).Properties; other["checksum"].DeepEquals(got["checksum"]) {
			t.Error("the checksum does not follow the values")
		}
	})
	t.Run("unknown values", func(t *testing.T) {
		in := props(tree{"chart": "tiny", "values": tree{"greeting": "hi"}})
		in["values"].ObjectValue()["password"] = resource.MakeComputed(resource.NewProperty(""))
		got := check(in)
		if len(got.Failures) > 0 || !got.Properties["values"].ObjectValue()["password"].IsComputed() {
			t.Errorf("%+v", got)
		}
		olds := check(props(tree{"chart": "tiny", "name": "tiny", "values": tree{"greeting": "hi", "password": "x"}})).Properties
		in["name"] = resource.NewProperty("tiny")
		diff, err := p.Diff(context.Background(), plugin.DiffRequest{URN: urn, Type: releaseType, ID: "default/tiny", OldInputs: olds, NewInputs: check(in).Properties})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(map[string]string{"values.password": "update", "namespace": "update-replace"}, kinds(diff)); d != "" {
			// Not configured, the provider has no namespace; anything else is a spurious diff.
			if d := cmp.Diff(map[string]string{"values.password": "update"}, kinds(diff)); d != "" {
				t.Errorf("diff (-want +got):\n%s", d)
			}
		}
	})
	t.Run("value files", func(t *testing.T) {
		file, err := asset.FromText("greeting: from the file\npassword: hunter2\n")
		if err != nil {
			t.Fatal(err)
		}
		in := props(tree{"chart": "tiny", "values": tree{"greeting": "from the values"}})
		in["valueYamlFiles"] = resource.MakeSecret(resource.NewProperty([]resource.PropertyValue{resource.NewProperty(file)}))
		got := check(in).Properties
		if d := cmp.Diff(tree{"greeting": "from the values", "password": "hunter2"}, toTree(got)["values"]); d != "" || !got["values"].IsSecret() {
			t.Errorf("secret %v, values (-want +got):\n%s", got["values"].IsSecret(), d)
		}
	})
	t.Run("no such chart", func(t *testing.T) {
		got := check(props(tree{"chart": "charts/none-1.tgz"}))
		if len(got.Failures) != 1 || !strings.Contains(got.Failures[0].Reason, "charts/none-1.tgz is not in") {
			t.Errorf("failures %v", got.Failures)
		}
	})
	t.Run("broken template", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "broken")
		err := errors.Join(os.MkdirAll(filepath.Join(dir, "templates"), 0o700),
			os.WriteFile(filepath.Join(dir, "Chart.yaml"), []byte("apiVersion: v2\nname: broken\nversion: 1.0.0\n"), 0o600),
			os.WriteFile(filepath.Join(dir, "templates", "x.yaml"), []byte("{{ .Values.missing.deep }}"), 0o600))
		if err != nil {
			t.Fatal(err)
		}
		if got := check(props(tree{"chart": dir})); len(got.Failures) != 1 || !strings.Contains(got.Failures[0].Reason, "render chart") {
			t.Errorf("failures %v", got.Failures)
		}
	})
}
