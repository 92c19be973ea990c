package automation

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/automation/internal/engine"
	"github.com/meshwright/meshwright/automation/internal/recovery"
	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/provider"
)

// world is what the fake provider's resources stand for.
type world struct {
	mu      sync.Mutex
	things  map[string]bool
	waiting chan string // receives the name of a creation that waits for its cancellation
}

func newWorld() *world { return &world{things: map[string]bool{}, waiting: make(chan string, 8)} }

func (w *world) names() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	names := []string{}
	for n := range w.things {
		names = append(names, n)
	}
	return names
}

// fake is a provider of things. A thing's "do" says how its creation goes:
// "ok", "fail" or "wait" (until cancelled).
type fake struct {
	provider.Base
	w *world
}

func (f *fake) Check(_ context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	return plugin.CheckResponse{Properties: req.News}, nil
}

func (f *fake) Diff(_ context.Context, req plugin.DiffRequest) (plugin.DiffResponse, error) {
	if req.OldInputs["do"].DeepEquals(req.NewInputs["do"]) {
		return plugin.DiffResult{Changes: plugin.DiffNone}, nil
	}
	return plugin.DiffResult{Changes: plugin.DiffSome, ChangedKeys: []resource.PropertyKey{"do"}}, nil
}

func (f *fake) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	if req.Preview {
		return plugin.CreateResponse{Properties: req.Properties}, nil
	}
	ctx, done := f.Operation(ctx)
	defer done()
	name := req.URN.Name()
	switch req.Properties["do"].StringValue() {
	case "fail":
		return plugin.CreateResponse{}, errors.New("the thing would not")
	case "wait":
		f.w.waiting <- name
		<-ctx.Done()
		return plugin.CreateResponse{}, context.Cause(ctx)
	}
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	f.w.things[name] = true
	return plugin.CreateResponse{ID: resource.ID(name), Properties: req.Properties}, nil
}

func (f *fake) Update(_ context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	return plugin.UpdateResponse{Properties: req.NewInputs}, nil
}

func (f *fake) Read(_ context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	if !f.w.things[string(req.ID)] {
		return plugin.ReadResponse{}, nil
	}
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: req.Inputs, Outputs: req.State}}, nil
}

func (f *fake) Delete(_ context.Context, req plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	delete(f.w.things, string(req.ID))
	return plugin.DeleteResponse{}, nil
}

// canary is a secret that must appear in no file in the clear.
const canary = "c4n4ry-in-a-kubeconfig"

const kubeconfig = `apiVersion: v1
kind: Config
current-context: cluster1
clusters: [{name: kind-x, cluster: {server: "https://127.0.0.1:6443"}}]
contexts: [{name: cluster1, context: {cluster: kind-x, user: kind-x}}]
users: [{name: kind-x, user: {token: ` + canary + `}}]
`

// things is a program of two things, the first of which has a secret and the second
// of which follows it and does as told by do, and of the outputs that a stack has.
func things(do string) func(*artifacts.Set) pulumi.RunFunc {
	return func(*artifacts.Set) pulumi.RunFunc {
		return func(ctx *pulumi.Context) error {
			var one, two pulumi.CustomResourceState
			if err := ctx.RegisterResource("fake:index:Thing", "one", pulumi.Map{"do": pulumi.String("ok"), "key": pulumi.ToSecret(pulumi.String(canary))}, &one); err != nil {
				return err
			}
			if err := ctx.RegisterResource("fake:index:Thing", "two", pulumi.Map{"do": pulumi.String(do)}, &two, pulumi.DependsOn([]pulumi.Resource{&one})); err != nil {
				return err
			}
			ctx.Export("lab", pulumi.String(ctx.Stack()))
			ctx.Export("meshID", pulumi.String("mesh1"))
			ctx.Export("clusters", pulumi.Map{"cluster1": pulumi.Map{
				"name": pulumi.String("cluster1"), "kindName": pulumi.String(ctx.Stack() + "-cluster1"),
				"kubeconfig": pulumi.ToSecret(pulumi.String(kubeconfig)),
			}})
			return nil
		}
	}
}

const settingsFile = `config:
  meshwright:clusters:
    - {name: cluster1, network: network1}
`

// testLab is a lab of the fake program with the real engine. It skips where
// there is no engine.
func testLab(t *testing.T, name, stateDir string, w *world, do string) *Lab {
	t.Helper()
	if _, err := engine.Find(t.Context(), kitDir(t), slog.New(slog.DiscardHandler)); err != nil {
		t.Skip(err)
	}
	project := filepath.Join(stateDir, "project")
	for file, text := range map[string]string{
		"Pulumi.yaml":     "name: meshwright\nruntime: go\n",
		"Pulumi.dev.yaml": settingsFile,
	} {
		if err := os.MkdirAll(project, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(project, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	lab, err := New(t.Context(), Options{Name: name, ProjectDir: project, StateDir: stateDir, KitDir: kitDir(t), Artifacts: ArtifactsRegistry, Providers: ProvidersEmbedded})
	if err != nil {
		t.Fatal(err)
	}
	lab.registry = func(context.Context) (*artifacts.Set, error) { return artifacts.Registry(), nil }
	lab.charts = func(context.Context, *artifacts.Set) error { return nil }
	lab.program = things(do)
	lab.twins = map[string]provider.Factory{
		"fake": func() plugin.Provider {
			return &fake{Base: provider.Base{Package: "fake", Version: semver.MustParse("1.0.0")}, w: w}
		},
	}
	lab.sweep = func(context.Context, recovery.Mark) (*Swept, error) { return &Swept{}, nil }
	lab.answering = func(context.Context, []string) error { return nil }
	lab.ready = func(context.Context, *Outputs) error { return nil }
	lab.addresses = func(context.Context, string) ([]taken, error) { return nil, nil }
	return lab
}

// kitDir is the machine's kit, found before a test moves the home directory.
func kitDir(t *testing.T) string {
	t.Helper()
	return machineKit
}
