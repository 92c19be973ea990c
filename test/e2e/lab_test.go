package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestLab takes one lab through its life.
func TestLab(t *testing.T) {
	h := newHarness(t)
	tracked := h.trackedFiles(t)
	stranger := newStranger(t, h)
	untouched := stranger.fingerprint(t)
	h.through(t, []step{
		{"bad config is refused before anything is created", refuseBadConfig},
		{"a network of the same name is not touched", refuseForeignNetwork},
		{"a cluster of the same name is not touched", func(t *testing.T, h *harness) { refuseForeignCluster(t, h, stranger) }},
		{"stopped on the way up", stopUp},
		{"interrupted on the way up", interruptUp},
		{"up", up},
		{"verify", verifyAll},
		{"nothing to do", noChanges},
		{"what a user asks of a lab", useLab},
		{"as many resources as a diff computes", diffCounts},
		{"faults", faultMatrix},
		{"timed checks and their faults", timedFaults},
		{"killed in the midst of a timed check", killTimedCheck},
		{"interrupted in the midst of a timed check", interruptTimedCheck},
		{"drills", drills},
		{"stopped while it looks", stopReading},
		{"stopped while it puts load on the mesh", stopLoad},
		{"stopped while it prepares the machine", stopSetup},
		{"no secret in anything printed or collected", canary},
		{"a container gone", loseContainer},
		{"stopped on the way down", stopDestroy},
		{"interrupted on the way down", interruptDestroy},
		{"destroy", destroy},
		{"nothing left", nothingLeft},
		{"up again", up},
		{"every container gone", loseContainers},
		{"destroy of what is gone", destroy},
		{"nothing left of that", nothingLeft},
		{"no secret in anything printed since", func(t *testing.T, h *harness) { h.search(t, nil) }},
		{"the other owner's cluster is as it was", func(t *testing.T, _ *harness) {
			if diff := cmp.Diff(untouched, stranger.fingerprint(t)); diff != "" {
				t.Errorf("a foreign cluster changed (-before +after):\n%s", diff)
			}
		}},
		{"tracked files are as they were", func(t *testing.T, h *harness) {
			if diff := cmp.Diff(tracked, h.trackedFiles(t)); diff != "" {
				t.Errorf("tracked files changed (-before +after):\n%s", diff)
			}
		}},
	})
}

func refuseBadConfig(t *testing.T, h *harness) {
	r := h.run(t, "up", "--name", h.lab, "-c", "clusters[1].name=cluster1")
	if r.code == 0 || !strings.Contains(r.stderr, "clusters[1].name") {
		t.Errorf("exit code %d; want a refusal that names clusters[1].name:\n%s", r.code, r.stderr)
	}
	nothingLeft(t, h)
}

func refuseForeignNetwork(t *testing.T, h *harness) {
	name := "meshwright-" + h.lab
	h.dockerOutput(t, "network", "create", name)
	defer h.dockerOutput(t, "network", "rm", name)
	before := h.dockerOutput(t, "network", "inspect", name)
	r := h.run(t, "up", "--name", h.lab)
	if r.code == 0 || !strings.Contains(r.stderr, name) {
		t.Errorf("exit code %d; want a refusal that names the network %s:\n%s", r.code, name, r.stderr)
	}
	h.must(t, "destroy", "--name", h.lab)
	if diff := cmp.Diff(before, h.dockerOutput(t, "network", "inspect", name)); diff != "" {
		t.Errorf("the network changed:\n%s", diff)
	}
}

// refuseForeignCluster brings up a lab whose first cluster would bear the name
// of the stranger's.
func refuseForeignCluster(t *testing.T, h *harness, s *stranger) {
	before := s.fingerprint(t)
	r := h.run(t, "up", "--name", s.lab)
	if r.code == 0 || !strings.Contains(r.stderr, s.name) {
		t.Errorf("exit code %d; want a refusal that names the cluster %s:\n%s", r.code, s.name, r.stderr)
	}
	h.must(t, "destroy", "--name", s.lab)
	if diff := cmp.Diff(before, s.fingerprint(t)); diff != "" {
		t.Errorf("the stranger's cluster changed (-before +after):\n%s", diff)
	}
}

func interruptUp(t *testing.T, h *harness) {
	r := h.runUntil(t, after(15*time.Second), syscall.SIGINT, "up", "--name", h.lab)
	if r.code != 130 {
		t.Errorf("exit code %d after SIGINT, want 130\n%s", r.code, r.stderr)
	}
	if !strings.Contains(r.stderr, "meshwright up") || !strings.Contains(r.stderr, "meshwright destroy") {
		t.Errorf("an interrupted up does not say how to go on:\n%s", r.stderr)
	}
	if r.took > 15*time.Second {
		t.Errorf("took %s to stop", r.took)
	}
	h.noChildren(t, 5*time.Second)
}

func up(t *testing.T, h *harness) {
	r := h.must(t, "up", "--name", h.lab, "--output", "json")
	doc := decode[struct {
		Clusters []struct{ Name, IngressAddress, EastWestAddress string }
	}](t, r.stdout)
	if len(doc.Clusters) != 2 {
		t.Fatalf("%d clusters, want 2:\n%s", len(doc.Clusters), r.stdout)
	}
	for _, c := range doc.Clusters {
		if c.IngressAddress == "" || c.EastWestAddress == "" {
			t.Errorf("%s has no ingress or no east-west address", c.Name)
		}
	}
	for _, path := range []string{"workspace", "kubeconfig"} {
		info, err := os.Stat(filepath.Join(h.State, "meshwright", "labs", h.lab, path))
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
	}
}

func verifyAll(t *testing.T, h *harness) {
	r := h.must(t, "verify", "--name", h.lab, "--output", "json")
	report := decode[struct {
		Verdict string
		Checks  []struct{ ID, Status string }
	}](t, r.stdout)
	if report.Verdict != "pass" || len(report.Checks) < 4 {
		t.Errorf("verdict %q of %d checks:\n%s", report.Verdict, len(report.Checks), r.stdout)
	}
	h.must(t, "verify", "--name", h.lab)
}

func noChanges(t *testing.T, h *harness) {
	h.must(t, "up", "--name", h.lab, "--expect-no-changes")
	if r := h.must(t, "preview", "--name", h.lab, "--expect-no-changes", "--output", "markdown"); r.stdout != "" {
		t.Errorf("nothing changes, in Markdown:\n%s", r.stdout)
	}
	// The negative control: with another setting it must object.
	if r := h.run(t, "preview", "--name", h.lab, "--expect-no-changes", "-c", "meshID=other"); r.code == 0 {
		t.Error("preview --expect-no-changes accepts another meshID")
	}
}

// diffCounts: a new stack's diff, which is computed, counts what up has made.
func diffCounts(t *testing.T, h *harness) {
	type counts struct{ Added, Same int }
	live := decode[struct{ Counts counts }](t, h.must(t, "preview", "--name", h.lab, "--output", "json").stdout)
	clone := t.TempDir()
	for _, args := range [][]string{
		{"clone", "--quiet", "--shared", h.root, clone},
		{"-C", clone, "rm", "--quiet", "Pulumi.dev.yaml"},
		{"-C", clone, "-c", "user.name=test", "-c", "user.email=test@example.invalid", "commit", "--quiet", "-m", "Without dev"},
	} {
		if out, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	r := h.must(t, "diff", "HEAD..HEAD~1", "--stack", "dev", "--project", clone, "--output", "json")
	computed := decode[struct{ Stacks []struct{ Counts counts } }](t, r.stdout)
	if len(computed.Stacks) != 1 || computed.Stacks[0].Counts != (counts{Added: live.Counts.Same}) || live.Counts.Same == 0 {
		t.Errorf("diff counts %+v, the lab holds %+v", computed.Stacks, live.Counts)
	}
	if strings.Contains(r.stdout, "[unknown]") {
		t.Error("something in a new stack is unknown")
	}
}

func interruptDestroy(t *testing.T, h *harness) {
	r := h.runUntil(t, after(700*time.Millisecond), syscall.SIGINT, "destroy", "--name", h.lab)
	if r.code != 130 {
		t.Errorf("exit code %d after SIGINT, want 130\n%s", r.code, r.stderr)
	}
	h.noChildren(t, 5*time.Second)
}

// loseContainer removes a node of the healthy lab behind its back.
func loseContainer(t *testing.T, h *harness) {
	h.dockerOutput(t, "rm", "-fv", h.lab+"-cluster1-control-plane")
}

func loseContainers(t *testing.T, h *harness) {
	nodes := strings.Fields(h.dockerOutput(t, "ps", "-aq", "--filter", "name=^"+h.lab+"-"))
	if len(nodes) != 2 {
		t.Fatalf("%d containers, want the nodes of two clusters", len(nodes))
	}
	h.dockerOutput(t, append([]string{"rm", "-fv"}, nodes...)...)
}

func destroy(t *testing.T, h *harness) {
	h.must(t, "destroy", "--name", h.lab)
	h.must(t, "destroy", "--name", h.lab) // of what is gone: no error
}

func nothingLeft(t *testing.T, h *harness) {
	if out := strings.TrimSpace(h.dockerOutput(t, "ps", "-a", "--filter", "name=^"+h.lab+"-", "--format", "{{.Names}}")); out != "" {
		t.Errorf("containers left: %s", out)
	}
	if out := strings.TrimSpace(h.dockerOutput(t, "network", "ls", "--filter", "label=dev.meshwright.lab="+h.lab, "--format", "{{.Name}}")); out != "" {
		t.Errorf("networks left: %s", out)
	}
	// Other labs come and go beside this one: a volume of theirs may dangle for a moment.
	var diff string
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(time.Second) {
		if diff = cmp.Diff(h.volumes, h.danglingVolumes(t)); diff == "" || time.Now().After(deadline) {
			break
		}
	}
	if diff != "" {
		t.Errorf("dangling volumes differ (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(h.routes, hostRoutes(t)); diff != "" {
		t.Errorf("routes of this machine differ (-before +after):\n%s", diff)
	}
	if _, err := os.Stat(filepath.Join(h.State, "meshwright", "labs", h.lab)); !os.IsNotExist(err) {
		t.Errorf("the lab's directory is still there (%v)", err)
	}
	h.noChildren(t, 5*time.Second)
}

// hostRoutes are this machine's IPv4 routes, without those through bridges of Docker's:
// each goes with its network, and other labs come and go beside this one.
func hostRoutes(t *testing.T) string {
	t.Helper()
	table, err := os.ReadFile("/proc/net/route")
	if err != nil {
		t.Fatal(err)
	}
	var routes strings.Builder
	for line := range strings.Lines(string(table)) {
		if !strings.HasPrefix(line, "br-") {
			routes.WriteString(line)
		}
	}
	return routes.String()
}

// noChildren asserts that no process works on the lab any more: every process
// that we start carries the state directory in its environment.
func (h *harness) noChildren(t *testing.T, within time.Duration) {
	t.Helper()
	var left []string
	deadline := time.Now().Add(within) // a killed parent's children need a moment
	for {
		left = left[:0]
		environs, err := filepath.Glob("/proc/[0-9]*/environ")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range environs {
			env, err := os.ReadFile(path)
			if err != nil || !strings.Contains(string(env), "XDG_STATE_HOME="+h.State+"\x00") {
				continue
			}
			line, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
			left = append(left, strings.ReplaceAll(string(line), "\x00", " "))
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("processes left:\n%s", strings.Join(left, "\n"))
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// trackedFiles maps what git tracks to its content as it is in the work tree.
func (h *harness) trackedFiles(t *testing.T) map[string]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", "ls-files", "-z")
	cmd.Dir = h.root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	files := map[string]string{}
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		data, err := os.ReadFile(filepath.Join(h.root, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(data)
	}
	return files
}
