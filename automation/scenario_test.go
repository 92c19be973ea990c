package automation

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/automation/internal/backend"
	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/testkit/tree"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/mesh/topology"
	"github.com/meshwright/meshwright/stacks"
)

// scenarioThings is a scenario of two things, named after it, as in things.
func scenarioThings(do string) func(*artifacts.Set, []stacks.ClusterOutputs, stacks.Scenario) pulumi.RunFunc {
	return func(_ *artifacts.Set, clusters []stacks.ClusterOutputs, s stacks.Scenario) pulumi.RunFunc {
		return func(ctx *pulumi.Context) error {
			if len(clusters) != 1 || clusters[0].Kubeconfig == "" {
				return errors.New("the scenario does not know the lab's clusters")
			}
			var p pulumi.ProviderResourceState
			if err := ctx.RegisterResource("pulumi:providers:fake", "fake", pulumi.Map{}, &p); err != nil {
				return err
			}
			var one, two pulumi.CustomResourceState
			if err := ctx.RegisterResource("fake:index:Thing", s.Name+"-one", pulumi.Map{"do": pulumi.String("ok")}, &one, pulumi.Provider(&p)); err != nil {
				return err
			}
			return ctx.RegisterResource("fake:index:Thing", s.Name+"-two", pulumi.Map{"do": pulumi.String(do)}, &two,
				pulumi.Provider(&p), pulumi.DependsOn([]pulumi.Resource{&one}))
		}
	}
}

// labForScenarios is a lab that is up, and the labels of the namespaces that were asked
// to be deleted.
func labForScenarios(t *testing.T, state string, w *world, do string) (*Lab, *[]map[string]string) {
	t.Helper()
	lab := testLab(t, "dev", state, w, "ok")
	lab.scenario = scenarioThings(do)
	var deleted []map[string]string
	lab.deleteNamespaces = func(_ context.Context, _ *Outputs, labels map[string]string) ([]string, error) {
		deleted = append(deleted, labels)
		return nil, nil
	}
	if !isDir(lab.Dir()) {
		if _, err := lab.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return lab, &deleted
}

var (
	labsThings = []string{"one", "two"}
	allThings  = []string{"failover-one", "failover-two", "one", "two"}
)

func expectThings(t *testing.T, w *world, want []string) {
	t.Helper()
	got := w.names()
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("things: %s", diff)
	}
}

func TestLifeOfAScenario(t *testing.T) {
	t.Parallel()
	state, w := t.TempDir(), newWorld()
	lab, deleted := labForScenarios(t, state, w, "ok")
	ctx := t.Context()
	scenarios := lab.Scenarios()
	rule := topology.Rule{Mode: "failover", Profile: "zero-loss", Failover: map[string]string{"a": "b"}}
	got, err := scenarios.Deploy(ctx, mesh.Scenario{Name: "failover", Traffic: rule})
	if err != nil {
		t.Fatal(err)
	}
	want := mesh.Workload{
		Namespace: "meshwright-failover", Service: "helloworld", Port: 5000, Path: "/hello",
		Host:        "helloworld.meshwright-failover.svc.cluster.local",
		ClientLabel: "app=sleep", LoadLabel: "app=load", Versions: map[string][]string{"cluster1": nil}, Traffic: rule,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	expectThings(t, w, allThings)
	for path, data := range tree.Read(t, lab.scenariosDir()) {
		if strings.Contains(data, canary) {
			t.Errorf("%s holds the kubeconfig's token in the clear", path)
		}
	}

	// Another process, or another handle, has to wait, and its removal removes nothing.
	other := lab.Scenarios()
	var locked *LockedError
	if _, err := other.Deploy(ctx, mesh.Scenario{Name: "failover"}); !errors.As(err, &locked) || locked.Holder.Operation != "scenario failover" {
		t.Errorf("a second one: %v", err)
	}
	if err := other.Remove(ctx, "failover"); err != nil {
		t.Errorf("removal of what was refused: %v", err)
	}
	if _, err := lab.CleanupScenarios(ctx); !errors.As(err, &locked) {
		t.Errorf("cleanup beside a scenario: %v", err)
	}
	if _, err := scenarios.Deploy(ctx, mesh.Scenario{Name: "drain"}); err == nil || !strings.Contains(err.Error(), "failover is up") {
		t.Errorf("a second one by the same handle: %v", err)
	}
	expectThings(t, w, allThings)

	if err := scenarios.Remove(ctx, "failover"); err != nil {
		t.Fatal(err)
	}
	expectThings(t, w, labsThings)
	if _, err := os.Stat(lab.scenarioDir("failover")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removal left %s", lab.scenarioDir("failover"))
	}
	labels := []map[string]string{{"meshwright.dev/lab": "dev", "meshwright.dev/scenario": "failover"}}
	if diff := cmp.Diff(labels, *deleted); diff != "" {
		t.Errorf("leftovers looked for: %s", diff)
	}
	if err := scenarios.Remove(ctx, "failover"); err != nil {
		t.Errorf("removal of nothing: %v", err)
	}
	if removed, err := lab.CleanupScenarios(ctx); err != nil || len(removed) != 0 {
		t.Errorf("cleanup of nothing: %v, %v", removed, err)
	}
}

func TestScenarioThatFails(t *testing.T) {
	t.Parallel()
	state, w := t.TempDir(), newWorld()
	lab, _ := labForScenarios(t, state, w, "fail")
	scenarios := lab.Scenarios()
	var failed *OperationError
	if _, err := scenarios.Deploy(t.Context(), mesh.Scenario{Name: "failover"}); !errors.As(err, &failed) || !strings.Contains(err.Error(), "scenario failover") {
		t.Fatalf("deploy: %v", err)
	}
	if err := scenarios.Remove(t.Context(), "failover"); err != nil {
		t.Fatal(err)
	}
	expectThings(t, w, labsThings)
}

func TestScenarioThatIsCancelled(t *testing.T) {
	t.Parallel()
	state, w := t.TempDir(), newWorld()
	lab, _ := labForScenarios(t, state, w, "wait")
	scenarios := lab.Scenarios()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { _, err := scenarios.Deploy(ctx, mesh.Scenario{Name: "failover"}); result <- err }()
	await(t, w)
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Fatalf("deploy: %v", err)
	}
	// The very context that ended does for the removal.
	if err := scenarios.Remove(ctx, "failover"); err != nil {
		t.Fatal(err)
	}
	expectThings(t, w, labsThings)
}

// TestScenarioOfACrashedRun kills the engine, which leaves its lock and an open
// operation, and forgets the handle, as the end of the process would.
func TestScenarioOfACrashedRun(t *testing.T) {
	t.Parallel()
	for name, recover := range map[string]func(*testing.T, *Lab){
		"deploy again": func(t *testing.T, lab *Lab) {
			scenarios := lab.Scenarios()
			if _, err := scenarios.Deploy(t.Context(), mesh.Scenario{Name: "failover"}); err != nil {
				t.Fatal(err)
			}
			if err := scenarios.Remove(t.Context(), "failover"); err != nil {
				t.Fatal(err)
			}
		},
		"cleanup": func(t *testing.T, lab *Lab) {
			removed, err := lab.CleanupScenarios(t.Context())
			if err != nil || !slices.Equal(removed, []string{"failover"}) {
				t.Fatalf("removed %v, %v", removed, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state, w := t.TempDir(), newWorld()
			lab, _ := labForScenarios(t, state, w, "wait")
			crashed := lab.Scenarios()
			result := make(chan error, 1)
			go func() { _, err := crashed.Deploy(t.Context(), mesh.Scenario{Name: "failover"}); result <- err }()
			await(t, w)
			dir := lab.scenarioBackend("failover")
			if err := syscall.Kill(lockedBy(t, dir, "failover"), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if err := <-result; err == nil {
				t.Fatal("deploy succeeded with a killed engine")
			}
			crashed.lock.Release(false)
			if snap, err := backend.ReadLocal(dir, "failover"); err != nil || len(snap.Pending) == 0 {
				t.Fatalf("the killed engine left no open operation: %+v, %v", snap, err)
			}
			lab, deleted := labForScenarios(t, state, w, "ok")
			recover(t, lab)
			expectThings(t, w, labsThings)
			if len(*deleted) == 0 || (*deleted)[0][scenarioLabel] != "failover" {
				t.Errorf("no look for what the state did not know: %v", *deleted)
			}
		})
	}
}

// TestScenarioWhoseStackWillNotGo: its namespaces do.
func TestScenarioWhoseStackWillNotGo(t *testing.T) {
	t.Parallel()
	state, w := t.TempDir(), newWorld()
	lab, deleted := labForScenarios(t, state, w, "ok")
	scenarios := lab.Scenarios()
	if _, err := scenarios.Deploy(t.Context(), mesh.Scenario{Name: "failover"}); err != nil {
		t.Fatal(err)
	}
	broken := backend.File(lab.scenarioBackend("failover"), "failover")
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := scenarios.Remove(t.Context(), "failover"); err != nil {
		t.Fatal(err)
	}
	if len(*deleted) != 1 {
		t.Errorf("namespaces deleted: %v", *deleted)
	}
	if _, err := os.Stat(lab.scenarioDir("failover")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removal left %s", lab.scenarioDir("failover"))
	}
}

func TestScenarioNeedsALab(t *testing.T) {
	t.Parallel()
	lab := testLab(t, "dev", t.TempDir(), newWorld(), "ok")
	var notUp *NotUpError
	if _, err := lab.Scenarios().Deploy(t.Context(), mesh.Scenario{Name: "failover"}); !errors.As(err, &notUp) {
		t.Errorf("deploy: %v", err)
	}
	if _, err := lab.CleanupScenarios(t.Context()); !errors.As(err, &notUp) {
		t.Errorf("cleanup: %v", err)
	}
	for _, name := range []string{"", "Drain", "../dev", "a-"} {
		if _, err := lab.Scenarios().Deploy(t.Context(), mesh.Scenario{Name: name}); err == nil || errors.As(err, &notUp) {
			t.Errorf("name %q: %v", name, err)
		}
	}
}

func TestRules(t *testing.T) {
	cluster := func(name, region string, versions ...string) Cluster {
		return Cluster{stacks.ClusterOutputs{
			Cluster:    topology.Cluster{Name: name, Network: "n", ControlPlane: name, Locality: topology.Locality{Region: region}},
			HelloWorld: versions,
		}}
	}
	two := []Cluster{cluster("c1", "a", "v1"), cluster("c2", "b", "v2")}
	weights := map[string]map[string]int{"a": {"a": 80, "b": 20}, "b": {"b": 80, "a": 20}}
	failover := map[string]string{"a": "b", "b": "a"}
	declared := map[string]map[string]int{"a": {"a": 70, "b": 30}, "b": {"b": 100}}
	for name, test := range map[string]struct {
		clusters []Cluster
		traffic  topology.Rule
		want     mesh.Rules
	}{
		"nothing declared": {clusters: two, want: mesh.Rules{
			Distribute: topology.Rule{Mode: "distribute", Profile: "zero-loss", Weights: weights},
			Failover:   topology.Rule{Mode: "failover", Profile: "zero-loss", Failover: failover},
		}},
		"declared weights": {
			clusters: two, traffic: topology.Rule{Mode: "distribute", Profile: "article", Weights: declared},
			want: mesh.Rules{
				Distribute: topology.Rule{Mode: "distribute", Profile: "article", Weights: declared},
				Failover:   topology.Rule{Mode: "failover", Profile: "zero-loss", Failover: failover},
			},
		},
		"no regions": {clusters: []Cluster{cluster("c1", "", "v1"), cluster("c2", "", "v2")}},
		"one region": {clusters: []Cluster{cluster("c1", "a", "v1"), cluster("c2", "a", "v2")}},
	} {
		t.Run(name, func(t *testing.T) {
			o := &Outputs{Lab: "dev", Clusters: test.clusters, Traffic: test.traffic}
			if diff := cmp.Diff(test.want, o.Rules()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
