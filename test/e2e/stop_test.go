package e2e

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stops is how often each operation is stopped at a random moment: MESHWRIGHT_STOPS, or 3.
func stops(t *testing.T) int {
	t.Helper()
	value := os.Getenv("MESHWRIGHT_STOPS")
	if value == "" {
		return 3
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		t.Fatalf("MESHWRIGHT_STOPS=%s: want a number of 1 or more", value)
	}
	return n
}

// TestStops stops every operation many times: `make test-kill`.
func TestStops(t *testing.T) {
	if os.Getenv("MESHWRIGHT_STOPS") == "" {
		t.Skip("set MESHWRIGHT_STOPS to a number (make test-kill does); TestLab stops each operation three times")
	}
	newHarness(t).through(t, []step{
		{"up", stopUp},
		{"up converges", up},
		{"verify", verifyAll},
		{"reading", stopReading},
		{"load", stopLoad},
		{"set-up", stopSetup},
		{"verify again", verifyAll},
		{"destroy", stopDestroy},
		{"destroy converges", destroy},
		{"nothing left", nothingLeft},
	})
}

// stop runs a command some times and stops it at a random moment within span: by
// SIGKILL, or each third time by SIGINT, as Ctrl-C does. The processes that it started
// end with it; a compiler of the kit's does when its package is compiled. After each time next must find that nothing is lost.
func (h *harness) stop(t *testing.T, times int, span time.Duration, next func(*testing.T), args ...string) {
	t.Helper()
	for i, missed := 0, 0; i < times; {
		moment := time.Duration(rand.Int64N(int64(span)))
		sig := syscall.SIGKILL
		if i%3 == 2 {
			sig = syscall.SIGINT
		}
		r, err := h.signal(t, after(moment), sig, args...)
		switch {
		case err == nil:
			t.Logf("stopped by %s after %s", sig, moment.Round(time.Millisecond))
			i++
		case r.code != 0:
			t.Fatalf("it failed by itself, with exit code %d:\n%s", r.code, r.stderr)
		case missed == 10:
			t.Fatalf("meshwright %s ends too early to be stopped", strings.Join(args, " "))
		default: // it ended before
			missed, span = missed+1, max(moment, time.Millisecond)
			continue
		}
		h.noChildren(t, 30*time.Second)
		h.onlyItsOwn(t)
		next(t)
		if t.Failed() {
			t.FailNow()
		}
	}
}

// onlyItsOwn asserts that Docker holds no container of the lab but its two nodes.
func (h *harness) onlyItsOwn(t *testing.T) {
	t.Helper()
	for _, name := range strings.Fields(h.dockerOutput(t, "ps", "-a", "--filter", "name=^"+h.lab+"-", "--format", "{{.Names}}")) {
		if name != h.lab+"-cluster1-control-plane" && name != h.lab+"-cluster2-control-plane" {
			t.Errorf("container %s is nobody's", name)
		}
	}
}

// stopUp: each up goes on where the one before it was stopped, and previews can be had.
func stopUp(t *testing.T, h *harness) {
	h.stop(t, stops(t), 45*time.Second, func(t *testing.T) { h.must(t, "preview", "--name", h.lab) }, "up", "--name", h.lab)
}

// stopReading: what only reads changes nothing, whenever it ends.
func stopReading(t *testing.T, h *harness) {
	unchanged := func(t *testing.T) { h.must(t, "preview", "--name", h.lab, "--expect-no-changes") }
	h.stop(t, stops(t), time.Second, unchanged, "preview", "--name", h.lab)
	h.stop(t, stops(t), 2*time.Second, unchanged, "verify", "--name", h.lab)
	h.stop(t, stops(t), 200*time.Millisecond, unchanged, "status", "--name", h.lab)
}

// stopLoad: one command removes what a check or a drill has left in the mesh.
func stopLoad(t *testing.T, h *harness) {
	clean := func(t *testing.T) {
		h.must(t, "verify", "--name", h.lab, "--cleanup")
		h.noScenario(t)
	}
	// TestLab stops a timed check at two moments of its own, too.
	h.stop(t, max(1, stops(t)-2), 30*time.Second, clean, "verify", "--name", h.lab, "--full")
	h.stop(t, stops(t), 20*time.Second, clean, "drill", "drain", "--name", h.lab)
	h.must(t, "verify", "--name", h.lab)
}

// stopSetup: the daemon and the kit of this machine serve the lab afterwards; a kit
// that was begun elsewhere can be asked about.
func stopSetup(t *testing.T, h *harness) {
	h.stop(t, stops(t), 2*time.Second, func(t *testing.T) {
		h.must(t, "setup", "--artifacts", "airgap")
		h.must(t, "verify", "--name", h.lab)
	}, "setup", "--artifacts", "airgap")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	h.stop(t, stops(t), 10*time.Second, func(t *testing.T) {
		if r := h.must(t, "airgap", "status"); !strings.Contains(r.stdout, "meshwright airgap build") {
			t.Errorf("the status of a kit that was begun does not say how to go on:\n%s", r.stdout)
		}
	}, "airgap", "build")
}

// stopDestroy: each destroy goes on where the one before it was stopped.
func stopDestroy(t *testing.T, h *harness) {
	h.stop(t, stops(t), 2*time.Second, func(*testing.T) {}, "destroy", "--name", h.lab)
}
