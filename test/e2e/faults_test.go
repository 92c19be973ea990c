package e2e

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/test/faults"
)

// faultMatrix breaks the mesh in every known way and puts it right again.
func faultMatrix(t *testing.T, h *harness) {
	_, outputs := h.open(t)
	targets, err := outputs.Targets()
	if err != nil {
		t.Fatal(err)
	}
	faults.RunMatrix(t.Context(), t, targets, outputs.Workload())
}

// timedFaults runs the checks that put load on the mesh, then sees each go red.
func timedFaults(t *testing.T, h *harness) {
	lab, outputs := h.open(t)
	targets, err := outputs.Targets()
	if err != nil {
		t.Fatal(err)
	}
	faults.RunTimed(t.Context(), t, targets, outputs.Workload(), lab.Scenarios(), outputs.Rules())
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
	for _, cluster := range []string{"cluster1", "cluster2"} {
		if left := h.tool(t, h.kubeconfig(), "kubectl", "--context", cluster, "get", "namespaces", "-o", "name"); strings.Contains(left, namespace) {
			t.Errorf("%s: left behind: %s", cluster, left)
		}
	}
}

func (h *harness) kubeconfig() []string {
	return []string{"KUBECONFIG=" + filepath.Join(h.state, "meshwright", "labs", h.lab, "kubeconfig")}
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
			cmd.Env = append(h.environment(), h.kubeconfig()...)
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
		Name: h.lab, ProjectDir: h.root, Executable: h.bin, StateDir: filepath.Join(h.state, "meshwright"),
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
