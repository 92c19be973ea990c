package automation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"go.uber.org/goleak"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/meshwright/meshwright/automation/changes"
	"github.com/meshwright/meshwright/automation/internal/backend"
	"github.com/meshwright/meshwright/automation/internal/recovery"
	"github.com/meshwright/meshwright/automation/internal/workspace"
	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/artifacts/imagelock"
	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/internal/testkit/clitest"
	"github.com/meshwright/meshwright/internal/testkit/tree"
	"github.com/meshwright/meshwright/report"
)

var machineKit = paths.Kit()

func TestMain(m *testing.M) {
	switch command := filepath.Base(os.Args[0]); command {
	case "docker", "pulumi":
		if fails(command) {
			fmt.Fprintln(os.Stderr, refusal)
			os.Exit(1)
		}
		if command == "docker" {
			os.Exit(fakeDocker(os.Args[1:]))
		}
		fmt.Fprintln(os.Stderr, throughToPulumi())
		os.Exit(1)
	}
	program := keyAndFile
	if os.Getenv(fakeDockerFile) != "" {
		program = networkAlone
	}
	clitest.Serve(map[string]pulumi.RunFunc{ProgramName: program, workspace.Project: program, loads: load})
	// The tests wait for the engine more than they compute.
	err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0)))
	// A lab's passphrase is its own, whatever the driver finds set.
	if err = errors.Join(err, os.Setenv("PULUMI_CONFIG_PASSPHRASE", "")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}

// oneChange is what the second thing's change looks like.
const oneChange = "### What this change does to the stacks\n\n" +
	"| stack | replaced | removed | changed | added | unchanged |\n|---|---|---|---|---|---|\n" +
	"| `dev` |  |  | 1 |  | 3 |\n\n" +
	"#### Stack `dev`: 1 changed, 3 unchanged\n\n" +
	"##### The lab itself\n\nChanged\n\n- `two` (`fake:index:Thing`)\n\n" +
	"```diff\n~ do: \"ok\" -> \"other than [secret]\"\n```\n\n" +
	"<sub>From a preview on the lab's own state.</sub>\n"

func TestLifeOfALab(t *testing.T) {
	t.Parallel()
	state, w := t.TempDir(), newWorld()
	lab := testLab(t, "dev", state, w, "ok")
	before := tree.Read(t, filepath.Join(state, "project"))
	ctx := t.Context()

	preview, err := lab.Preview(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(preview.Changes) != 4 || len(w.names()) != 0 { // the stack, its provider and two things
		t.Errorf("preview: %d changes, things %v", len(preview.Changes), w.names())
	}
	if _, err := os.Stat(lab.Dir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("preview of a new lab left %s", lab.Dir())
	}
	if text := preview.Report.Markdown(changes.MaxMarkdown); strings.Contains(text, canary) {
		t.Errorf("the new lab's secret is shown:\n%s", text)
	} else {
		for _, want := range []string{"| `dev` (new) |  |  |  | 4 |  |\n", "- `two` (`fake:index:Thing`)\n", "+ key: [secret]\n", "From a preview on the lab's own state."} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q of a new lab in:\n%s", want, text)
			}
		}
	}

	up, err := lab.Up(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(w.names()) != 2 || !up.Changed() || up.Outputs.Clusters[0].Name != "cluster1" {
		t.Errorf("up: things %v, outputs %+v", w.names(), up.Outputs)
	}
	if len(up.Timeline) != 4 {
		t.Errorf("timeline has %d entries, want 4: %v", len(up.Timeline), up.Timeline)
	}
	if cfg, err := up.Outputs.Clusters[0].RESTConfig(); err != nil || cfg.BearerToken != canary {
		t.Errorf("rest config: %v", err)
	}
	merged, err := clientcmd.LoadFromFile(lab.KubeconfigFile())
	if err != nil || merged.Contexts["cluster1"] == nil || merged.CurrentContext != "cluster1" {
		t.Errorf("merged kubeconfig: %v, %v", merged, err)
	}
	checkPrivate(t, lab)

	again, err := lab.Up(ctx, ExpectNoChanges())
	if err != nil || again.Changed() {
		t.Errorf("second up: %v, changed %v", err, again)
	}
	preview, err = lab.Preview(ctx)
	if err != nil || preview.Changed() || preview.Report.Markdown(changes.MaxMarkdown) != "" {
		t.Errorf("preview of what is up: %v, %+v", err, preview)
	}
	// The first thing's secret, in a text of the second's that is none.
	lab.program = things("other than " + canary)
	preview, err = lab.Preview(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(oneChange, preview.Report.Markdown(changes.MaxMarkdown)); diff != "" {
		t.Errorf("preview of a change: %s", diff)
	}
	var refused *ChangesError
	if _, err := lab.Up(ctx, ExpectNoChanges()); !errors.As(err, &refused) || len(refused.Changes) != 1 || refused.Changes[0].Op != "update" {
		t.Errorf("up that expects no changes where there is one: %v", err)
	} else if got := report.Remedies(err); len(got) != 1 || got[0].Operation != "preview" {
		t.Errorf("remedies: %+v", got)
	}
	lab.program = things("ok")
	if again, err := lab.Up(ctx, ExpectNoChanges()); err != nil || again.Changed() {
		t.Errorf("the refused change was made: %v", err)
	}
	out, err := lab.Outputs(ctx)
	if err != nil || out.Lab != "dev" {
		t.Errorf("outputs: %v, %v", out, err)
	}
	w.mu.Lock()
	delete(w.things, "two")
	w.mu.Unlock()
	refreshed, err := lab.Refresh(ctx)
	if err != nil || refreshed.Counts["delete"] != 1 {
		t.Errorf("refresh after a loss: %+v, %v", refreshed, err)
	}

	gone, err := lab.Destroy(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(w.names()) != 0 || gone.Lab != "dev" {
		t.Errorf("after destroy there are %v", w.names())
	}
	left, err := filepath.Glob(filepath.Join(state, "labs", "*"))
	if err != nil || len(left) != 0 {
		t.Errorf("destroy left %v (%v)", left, err)
	}
	if diff := cmp.Diff(before, tree.Read(t, filepath.Join(state, "project"))); diff != "" {
		t.Errorf("tracked files changed: %s", diff)
	}
	var notUp *NotUpError
	if _, err := lab.Destroy(ctx); !errors.As(err, &notUp) {
		t.Errorf("destroy of nothing: %v", err)
	}
}

// checkPrivate checks the modes of the lab's directory, and that its secret is
// nowhere in the clear but in the kubeconfig.
func checkPrivate(t *testing.T, lab *Lab) {
	t.Helper()
	for _, dir := range []string{lab.Dir(), lab.Workspace(), lab.backendDir()} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v %v", dir, info.Mode(), err)
		}
	}
	for _, file := range []string{lab.passphraseFile(), lab.KubeconfigFile(), lab.recordFile()} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", file, info.Mode(), err)
		}
	}
	if info, err := os.Stat(filepath.Join(lab.pulumiHome(), "logs")); err != nil || info.Size() != 0 || !info.Mode().IsRegular() {
		t.Errorf("the engine logs what it does: %v %v", info, err)
	}
	for path, data := range tree.Read(t, lab.Dir()) {
		if path != "kubeconfig" && bytes.Contains([]byte(data), []byte(canary)) {
			t.Errorf("%s holds the kubeconfig's token in the clear", path)
		}
	}
}

func TestFailureIsKeptAndTakenUp(t *testing.T) {
	t.Parallel()
	state, w := t.TempDir(), newWorld()
	_, err := testLab(t, "dev", state, w, "fail").Up(t.Context())
	var failed *OperationError
	if !errors.As(err, &failed) {
		t.Fatalf("up: %v", err)
	}
	if !slices.ContainsFunc(failed.Failures, func(f Failure) bool { return f.Name == "two" }) {
		t.Errorf("failures: %+v", failed.Failures)
	}
	lab := testLab(t, "dev", state, w, "ok")
	up, err := lab.Up(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(1, up.Counts["create"]); diff != "" {
		t.Errorf("created by the second up: %s", diff)
	}
	if _, err := lab.Destroy(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCancelledUp(t *testing.T) {
	t.Parallel()
	state, w := t.TempDir(), newWorld()
	lab := testLab(t, "dev", state, w, "wait")
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { _, err := lab.Up(ctx); result <- err }()
	await(t, w)

	var locked *LockedError
	if _, err := lab.Up(t.Context()); !errors.As(err, &locked) || locked.Holder.PID != os.Getpid() {
		t.Errorf("up beside up: %v", err)
	}
	began := time.Now()
	cancel()
	err := <-result
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("cancelling took %s", took)
	}
	var interrupted *InterruptedError
	if !errors.As(err, &interrupted) || interrupted.Resources != 1 || !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled up: %v", err)
	}
	// Cancelled before the operation has properly begun: the same.
	if _, err := lab.Destroy(ctx); !errors.As(err, &interrupted) || interrupted.Operation != "destroy" || interrupted.Resources != 1 {
		t.Errorf("cancelled destroy: %v", err)
	}
	lab = testLab(t, "dev", state, w, "ok")
	if _, err := lab.Up(t.Context()); err != nil {
		t.Fatalf("up after the cancelled one: %v", err)
	}
	if _, err := lab.Destroy(t.Context()); err != nil || len(w.names()) != 0 {
		t.Errorf("destroy: %v, left %v", err, w.names())
	}
}

// TestKilledEngine kills the engine in the middle, which leaves its lock and
// an open operation in the state.
func TestKilledEngine(t *testing.T) {
	t.Parallel()
	state, w := t.TempDir(), newWorld()
	lab := testLab(t, "dev", state, w, "wait")
	result := make(chan error, 1)
	go func() { _, err := lab.Up(t.Context()); result <- err }()
	await(t, w)
	pid := enginePID(t, lab)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err == nil {
		t.Fatal("up succeeded with a killed engine")
	}
	snap, err := backend.ReadLocal(lab.backendDir(), lab.Name())
	if err != nil || len(snap.Pending) == 0 || enginePID(t, lab) != pid {
		t.Fatalf("the killed engine left no lock and open operation: %+v, %v", snap, err)
	}
	lab = testLab(t, "dev", state, w, "ok")
	if _, err := lab.Up(t.Context()); err != nil {
		t.Fatalf("up after the killed one: %v", err)
	}
	if snap, err := backend.ReadLocal(lab.backendDir(), lab.Name()); err != nil || len(snap.Pending) != 0 || snap.Real() != 2 {
		t.Errorf("state after recovery: %+v, %v", snap, err)
	}
	if _, err := lab.Destroy(t.Context()); err != nil || len(w.names()) != 0 {
		t.Errorf("destroy: %v, left %v", err, w.names())
	}
}

func TestTwoLabsAtOnce(t *testing.T) {
	t.Parallel()
	state, w1, w2 := t.TempDir(), newWorld(), newWorld()
	one, two := testLab(t, "one", state, w1, "ok"), testLab(t, "two", state, w2, "ok")
	errs := make(chan error, 2)
	for _, lab := range []*Lab{one, two} {
		go func() { _, err := lab.Up(t.Context()); errs <- err }()
	}
	if err := errors.Join(<-errs, <-errs); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Destroy(t.Context()); err != nil || len(w1.names()) != 0 || len(w2.names()) != 2 {
		t.Errorf("destroy of one: %v; things of one %v, of two %v", err, w1.names(), w2.names())
	}
	if _, err := two.Destroy(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLostPassphrase(t *testing.T) {
	t.Parallel()
	state, w := t.TempDir(), newWorld()
	lab := testLab(t, "dev", state, w, "ok")
	if _, err := lab.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(lab.passphraseFile()); err != nil {
		t.Fatal(err)
	}
	if _, err := lab.Up(t.Context()); !errors.Is(err, ErrPassphraseLost) {
		t.Errorf("up: %v", err)
	}
	if _, err := lab.Destroy(t.Context()); !errors.Is(err, ErrPassphraseLost) {
		t.Errorf("destroy: %v", err)
	}
	swept := false
	lab.sweep = func(context.Context, recovery.Mark) (*Swept, error) { swept = true; return &Swept{}, nil }
	if _, err := lab.Destroy(t.Context(), Force()); err != nil || !swept {
		t.Errorf("forced destroy: %v, swept %v", err, swept)
	}
	if _, err := os.Stat(lab.Dir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("forced destroy left %s", lab.Dir())
	}
}

// TestTheBackendIsRemembered: a lab's state is where it was made, also for those who
// do not say so.
func TestTheBackendIsRemembered(t *testing.T) {
	t.Parallel()
	state, w := t.TempDir(), newWorld()
	dir := t.TempDir()
	url := "file://" + dir
	stored := func() bool {
		_, err := os.Stat(backend.File(dir, "dev"))
		return err == nil
	}
	first := testLab(t, "dev", state, w, "ok")
	first.o.Backend = url
	if got := first.Backend(); got != url {
		t.Errorf("before there is a lab nothing remembers its backend: %q", got)
	}
	if _, err := first.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	lab := testLab(t, "dev", state, w, "ok")
	if up, err := lab.Up(t.Context()); err != nil || up.Changed() {
		t.Errorf("up without a word of the backend: %v, changed %v", err, up)
	}
	if got := lab.Backend(); got != "" {
		t.Errorf("the record remembers the backend: %q", got)
	}
	refused := func(lab *Lab, other, keeps string) {
		t.Helper()
		o := lab.o
		o.Backend = other
		if _, err := New(t.Context(), o); err == nil || !strings.HasSuffix(err.Error(), keeps) || len(report.Remedies(err)) != 2 {
			t.Errorf("%s instead of %s: %v", other, keeps, err)
		}
		o.Backend = lab.backendURL()
		if again, err := New(t.Context(), o); err != nil || again.o.Backend != lab.o.Backend {
			t.Errorf("the same backend: %v", err)
		}
	}
	refused(lab, "file:///elsewhere", url)

	// Without its record it is unknown where the state is: nothing is removed.
	record, err := os.ReadFile(lab.recordFile())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lab.recordFile(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := testLab(t, "dev", state, w, "ok").Destroy(t.Context()); len(report.Remedies(err)) != 1 || report.Remedies(err)[0].Operation != report.OperationForce || !isDir(lab.Dir()) {
		t.Errorf("destroy with an unreadable record: %v", err)
	}
	if err := os.WriteFile(lab.recordFile(), record, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := testLab(t, "dev", state, w, "ok").Destroy(t.Context()); err != nil || len(w.names()) != 0 || stored() || isDir(lab.Dir()) {
		t.Errorf("destroy without a word of the backend: %v, things %v, the stack is stored: %v", err, w.names(), stored())
	}

	lab = testLab(t, "dev", state, w, "ok")
	if _, err := lab.Up(t.Context()); err != nil || stored() {
		t.Fatalf("up of a new lab: %v, in the old one's backend: %v", err, stored())
	}
	refused(lab, url, lab.backendURL())
	if _, err := lab.Destroy(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestBadSettingsMakeNothing(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ config map[string]string }{
		"unknown key":   {map[string]string{"clsuters": "x"}},
		"unknown field": {map[string]string{"clusters[0].wrokers": "1"}},
		"bad topology":  {map[string]string{"clusters[0].controlPlane": "nobody"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state, w := t.TempDir(), newWorld()
			lab := testLab(t, "dev", state, w, "ok")
			lab.o.Config = tc.config
			var refused *ConfigError
			if _, err := lab.Up(t.Context()); !errors.As(err, &refused) {
				t.Errorf("up: %v", err)
			}
			if left, _ := filepath.Glob(filepath.Join(state, "labs", "*")); len(left) != 0 || len(w.names()) != 0 {
				t.Errorf("left %v, things %v", left, w.names())
			}
		})
	}
}

// TestChartsAreHeldToTheLock: before anything is made. A chart that cannot be asked
// for is no obstacle to the preview of a new lab, one that has changed is.
func TestChartsAreHeldToTheLock(t *testing.T) {
	t.Parallel()
	away := errors.New("no route to host")
	changed := fmt.Errorf("%w: istiod", imagelock.ErrChanged)
	for name, tc := range map[string]struct{ served, preview, up error }{
		"repository away": {served: away, up: away},
		"changed":         {served: changed, preview: imagelock.ErrChanged, up: imagelock.ErrChanged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state, w := t.TempDir(), newWorld()
			lab := testLab(t, "dev", state, w, "ok")
			lab.charts = func(context.Context, *artifacts.Set) error { return tc.served }
			if _, err := lab.Preview(t.Context()); !errors.Is(err, tc.preview) {
				t.Errorf("preview: %v", err)
			}
			if _, err := lab.Up(t.Context()); !errors.Is(err, tc.up) {
				t.Errorf("up: %v", err)
			}
			if left, _ := filepath.Glob(filepath.Join(state, "labs", "*")); len(left) != 0 || len(w.names()) != 0 {
				t.Errorf("left %v, things %v", left, w.names())
			}
		})
	}
}

// TestTheLockIsTheProjects, of which a clone has the same.
func TestTheLockIsTheProjects(t *testing.T) {
	t.Setenv("MESHWRIGHT_LOCK", "")
	t.Setenv("XDG_STATE_HOME", t.TempDir()) // where a wrong one would be
	project, state := t.TempDir(), t.TempDir()
	digest := "sha256:" + strings.Repeat("0", 64)
	images := map[string]string{}
	for _, image := range artifacts.Registry().Images {
		images[image.Name] = digest
	}
	text, err := json.Marshal(map[string]any{"version": imagelock.FormatVersion, "images": images})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(project, "images.lock.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	lab, err := New(t.Context(), Options{ProjectDir: project, StateDir: state, KitDir: kitDir(t), Executable: InProcess})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // no registry is asked
	set, err := lab.registry(ctx)
	if err != nil || set.Images["pilot"].Digest != digest {
		t.Errorf("%+v, %v", set, err)
	}
	if err := os.MkdirAll(lab.Workspace(), 0o700); err != nil {
		t.Fatal(err)
	}
	if env, err := lab.Environment(t.Context()); err != nil || env["MESHWRIGHT_LOCK"] != file {
		t.Errorf("the plain command would use %q, not %s: %v", env["MESHWRIGHT_LOCK"], file, err)
	}
}

// await waits until a creation waits.
func await(t *testing.T, w *world) {
	t.Helper()
	select {
	case <-w.waiting:
	case <-time.After(2 * time.Minute): // on a busy machine
		t.Fatal("no creation began")
	}
}

// enginePID reads the engine's process id from its lock.
func enginePID(t *testing.T, lab *Lab) int {
	t.Helper()
	return lockedBy(t, lab.backendDir(), lab.Name())
}

func lockedBy(t *testing.T, backend, stack string) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(backend, ".pulumi/locks/organization/meshwright", stack, "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("engine locks: %v, %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var l struct{ PID int }
	if err := json.Unmarshal(data, &l); err != nil {
		t.Fatal(err)
	}
	return l.PID
}
