// Package e2e uses the built executable on real clusters, as a user would. TestLab
// takes a lab through its life: up is killed, interrupted and completed, and so is
// destroy, beside a kind cluster of another owner, which must not change. In between
// the mesh is broken on purpose: every check turns red and green again.
//
// It runs when MESHWRIGHT_E2E=1, which `make test` sets; it needs Docker and the
// airgap kit.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/internal/testkit/executable"
)

// harness runs the executable with a state directory of its own and remembers
// everything that was printed.
type harness struct {
	*executable.Executable
	root string // of the repository
	lab  string
	set  *artifacts.Set

	volumes []string          // dangling ones from before
	routes  string            // of this machine, from before
	secrets map[string]string // that must not show, by description

	mu         sync.Mutex
	transcript bytes.Buffer
}

// newHarness is for the lab "e2e".
func newHarness(t *testing.T) *harness {
	t.Helper()
	if os.Getenv("MESHWRIGHT_E2E") == "" {
		t.Skip("set MESHWRIGHT_E2E=1 to run on real clusters (make test does)")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	set, err := artifacts.Load(paths.Kit())
	if err != nil {
		t.Fatal(err)
	}
	client, err := docker.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e, err := executable.New(filepath.Join(root, "bin", "meshwright"), client)
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{Executable: e, root: root, lab: "e2e", set: set}
	t.Cleanup(func() {
		defer e.Close()
		if t.Failed() {
			cmd := exec.Command(h.Path, "destroy", "--name", h.lab, "--force")
			cmd.Dir, cmd.Env = h.root, h.Environment()
			out, err := cmd.CombinedOutput()
			t.Logf("destroy after the failure: %v\n%s", err, out)
		}
	})
	h.volumes = h.danglingVolumes(t)
	h.routes = hostRoutes(t)
	return h
}

// step is a part of a test. Steps build on each other.
type step struct {
	name string
	do   func(*testing.T, *harness)
}

// through runs steps until one fails.
func (h *harness) through(t *testing.T, steps []step) {
	t.Helper()
	for _, s := range steps {
		if !t.Run(s.name, func(t *testing.T) { s.do(t, h) }) {
			t.FailNow()
		}
	}
}

// result is what a command left behind.
type result struct {
	code           int
	stdout, stderr string
	took           time.Duration
}

// run runs meshwright to its end.
func (h *harness) run(t *testing.T, args ...string) result {
	t.Helper()
	return h.runUntil(t, nil, 0, args...)
}

// runUntil runs meshwright and, once when has returned, sends it sig, which it must
// still live to get. The command gets ten minutes in all.
func (h *harness) runUntil(t *testing.T, when func(context.Context) error, sig syscall.Signal, args ...string) result {
	t.Helper()
	r, err := h.signal(t, when, sig, args...)
	if err != nil {
		t.Fatalf("meshwright %s ended before it could be stopped (exit code %d): %v\n%s", strings.Join(args, " "), r.code, err, r.stderr)
	}
	return r
}

// signal is runUntil for a command that may end before: that is the error.
func (h *harness) signal(t *testing.T, when func(context.Context) error, sig syscall.Signal, args ...string) (result, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, h.Path, args...)
	cmd.Dir = h.root
	cmd.Env = h.Environment()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// Output pipes that a stray child holds open must not hang the test.
	cmd.WaitDelay = 20 * time.Second
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	signalled := make(chan error, 1)
	if when == nil {
		signalled <- nil
	} else {
		go func() {
			err := when(ctx)
			if err == nil {
				start = time.Now() // took then says how long the command needed to react
				err = cmd.Process.Signal(sig)
			}
			signalled <- err
		}()
	}
	err := cmd.Wait()
	r := result{code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
	cancel()
	missed := <-signalled
	r.took = time.Since(start)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("meshwright %s: %v\n%s", strings.Join(args, " "), err, r.stderr)
	}
	h.remember(r.stdout, r.stderr)
	t.Logf("meshwright %s: exit code %d after %.1f s", strings.Join(args, " "), r.code, r.took.Seconds())
	return r, missed
}

// must runs meshwright and fails the test unless it succeeds.
func (h *harness) must(t *testing.T, args ...string) result {
	t.Helper()
	r := h.run(t, args...)
	if r.code != 0 {
		t.Fatalf("meshwright %s: exit code %d\n%s\n%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r
}

// tool runs an executable of the kit.
func (h *harness) tool(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	path, err := h.set.BinaryPath(name)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = h.root
	cmd.Env = append(h.Environment(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

func (h *harness) remember(outputs ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, o := range outputs {
		h.transcript.WriteString(o)
	}
}

// after waits.
func after(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error { return sleep(ctx, d) }
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// dockerFlags leads the docker command to the client's daemon.
func dockerFlags(c *docker.Client) []string {
	for _, kv := range c.Env() {
		if host, ok := strings.CutPrefix(kv, "DOCKER_HOST="); ok {
			return []string{"--host", host}
		}
	}
	return nil
}

// dockerOutput runs the docker command and returns its output; a failure ends the test.
func (h *harness) dockerOutput(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", append(dockerFlags(h.Docker), args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (h *harness) danglingVolumes(t *testing.T) []string {
	t.Helper()
	v := strings.Fields(h.dockerOutput(t, "volume", "ls", "-q", "--filter", "dangling=true"))
	slices.Sort(v)
	return v
}

func decode[T any](t *testing.T, document string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(document), &v); err != nil {
		t.Fatalf("not the JSON that was asked for: %v\n%s", err, document)
	}
	return v
}

// cleanup removes something of the test's own after the test's context has
// ended; that it is gone already is no failure.
func (h *harness) cleanup(t *testing.T, args ...string) {
	out, err := exec.Command("docker", append(dockerFlags(h.Docker), args...)...).CombinedOutput()
	if err != nil {
		t.Logf("docker %s: %v: %s", strings.Join(args, " "), err, out)
	}
}
