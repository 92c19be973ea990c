package e2e

import (
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/drill"
	"github.com/meshwright/meshwright/test/faults"
)

// elsewhere are the faults that this lab's topology cannot have.
var elsewhere = []string{"pod-route-gone", "callers-masqueraded", "istiod-hidden"}

// keep remembers a report as if it had been printed.
func (h *harness) keep(t *testing.T, report any) {
	t.Helper()
	data, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	h.remember(string(data))
}

// faultMatrix breaks the mesh in every known way and puts it right again.
func faultMatrix(t *testing.T, h *harness) {
	_, outputs := h.open(t)
	targets, err := outputs.Targets()
	if err != nil {
		t.Fatal(err)
	}
	rows := faults.RunMatrix(t.Context(), t, targets, outputs.Workload())
	h.keep(t, rows)
	for _, row := range rows {
		if row.Skipped != "" && !slices.Contains(elsewhere, row.Fault) {
			t.Errorf("%s was not played: %s", row.Fault, row.Skipped)
		}
	}
}

// timedFaults runs the checks that put load on the mesh, then sees each go red.
func timedFaults(t *testing.T, h *harness) {
	lab, outputs := h.open(t)
	targets, err := outputs.Targets()
	if err != nil {
		t.Fatal(err)
	}
	h.keep(t, faults.RunTimed(t.Context(), t, targets, outputs.Workload(), lab.Scenarios(), outputs.Rules()))
}

// killTimedCheck kills a check in the midst of its scenario: what is left is no
// part of the lab's stack, and one command removes it.
func killTimedCheck(t *testing.T, h *harness) {
	const namespace = "meshwright-failover"
	h.runUntil(t, h.podsIn(namespace), syscall.SIGKILL, "verify", "--name", h.lab, "--only", "failover")
	h.must(t, "preview", "--name", h.lab, "--expect-no-changes")
	r := h.must(t, "verify", "--name", h.lab, "--cleanup")
	if !strings.Contains(r.stdout, "failover") {
		t.Errorf("the cleanup does not name what it removed:\n%s", r.stdout)
	}
	h.noScenario(t)
}

// interruptTimedCheck: a check that is asked to stop takes its scenario with it.
func interruptTimedCheck(t *testing.T, h *harness) {
	r := h.runUntil(t, h.podsIn("meshwright-failover"), syscall.SIGINT, "verify", "--name", h.lab, "--only", "failover")
	if r.code != 130 {
		t.Errorf("exit code %d after SIGINT, want 130\n%s", r.code, r.stderr)
	}
	if !strings.Contains(r.stderr, "nothing of it is left") {
		t.Errorf("an interrupted check does not say what it left:\n%s", r.stderr)
	}
	h.noScenario(t)
}

// noScenario asserts that no namespace of a scenario is left in any cluster.
func (h *harness) noScenario(t *testing.T) {
	t.Helper()
	for _, cluster := range []string{"cluster1", "cluster2"} {
		if left := h.tool(t, h.kubeconfig(), "kubectl", "--context", cluster, "get", "namespaces", "-o", "name"); strings.Contains(left, "/meshwright-") {
			t.Errorf("%s: left behind: %s", cluster, left)
		}
	}
}

// drills measures each kind of failure once, with few requests: the figures are the
// benchmark's, here it is that there are any, and that the zero-loss profile loses none.
// The check failover is the drain with that profile.
func drills(t *testing.T, h *harness) {
	const requests = 500
	for fault, profiles := range map[string][]string{
		"drain": {"article"}, "graceful": {"zero-loss"}, "kill": {"zero-loss"},
	} {
		r := h.must(t, "drill", "drain", "--name", h.lab, "--fault", fault, "--requests", strconv.Itoa(requests),
			"--profile", strings.Join(profiles, ","), "--output", "json")
		report := decode[drill.Report](t, r.stdout)
		if len(report.Rules) != len(profiles) {
			t.Fatalf("%s: %d rules measured, want %v", fault, len(report.Rules), profiles)
		}
		for i, rule := range report.Rules {
			if rule.Rule != profiles[i] || rule.Runs != 1 || rule.Requests != requests*rule.Generators || rule.Generators == 0 {
				t.Errorf("%s: rule %s: %d runs, %d requests from %d load generators", fault, rule.Rule, rule.Runs, rule.Requests, rule.Generators)
			}
			if rule.Rule == "zero-loss" && rule.Lost > 0 {
				t.Errorf("%s: zero-loss lost %d of %d: %v", fault, rule.Lost, rule.Requests, rule.Errors)
			}
			if rule.Rule == "article" && rule.Lost == 0 {
				t.Errorf("%s: the article's rule lost nothing: was anything broken?", fault)
			}
		}
	}
	h.noScenario(t)
}

func (h *harness) kubeconfig() []string {
	return []string{"KUBECONFIG=" + filepath.Join(h.State, "meshwright", "labs", h.lab, "kubeconfig")}
}

// podsIn waits until there are pods in a namespace of the first cluster.
func (h *harness) podsIn(namespace string) func(context.Context) error {
	return func(ctx context.Context) error {
		kubectl, err := h.set.BinaryPath("kubectl")
		if err != nil {
			return err
		}
		for {
			cmd := exec.CommandContext(ctx, kubectl, "--context", "cluster1", "get", "pods", "-n", namespace, "-o", "name")
			cmd.Env = append(h.Environment(), h.kubeconfig()...)
			if out, err := cmd.Output(); err == nil && len(out) > 0 {
				return nil
			}
			if err := sleep(ctx, 200*time.Millisecond); err != nil {
				return err
			}
		}
	}
}

// open is a handle on the lab and what it says of itself.
func (h *harness) open(t *testing.T) (*automation.Lab, *automation.Outputs) {
	t.Helper()
	lab, err := automation.New(t.Context(), automation.Options{
		Name: h.lab, ProjectDir: h.root, Executable: h.Path, StateDir: filepath.Join(h.State, "meshwright"),
	})
	if err != nil {
		t.Fatal(err)
	}
	outputs, err := lab.Outputs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return lab, outputs
}
