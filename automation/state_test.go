package automation

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/automation/internal/backend"
	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/testkit/clitest"
	"github.com/meshwright/meshwright/internal/testkit/tree"
	"github.com/meshwright/meshwright/report"
)

// labAndCommand is a lab that is up, and the plain pulumi command in its shell.
func labAndCommand(t *testing.T, w *world) (*Lab, clitest.CLI) {
	t.Helper()
	clitest.Need(t)
	lab := testLab(t, "dev", t.TempDir(), w, "ok")
	if _, err := lab.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	return lab, shell(t, lab)
}

// operations are all that read a lab's state.
func operations(ctx context.Context, lab *Lab) map[string]func() error {
	return map[string]func() error{
		"preview":   func() error { _, err := lab.Preview(ctx); return err },
		"up":        func() error { _, err := lab.Up(ctx); return err },
		"prepare":   func() error { return lab.Prepare(ctx) },
		"refresh":   func() error { _, err := lab.Refresh(ctx); return err },
		"outputs":   func() error { _, err := lab.Outputs(ctx); return err },
		"addresses": func() error { return lab.CheckAddresses(ctx) },
		"destroy":   func() error { _, err := lab.Destroy(ctx); return err },
	}
}

// TestStateInEveryForm: the pulumi command writes what its own settings ask for.
func TestStateInEveryForm(t *testing.T) {
	t.Parallel()
	for ending, setting := range map[string]string{".gz": "PULUMI_DIY_BACKEND_GZIP=true", ".zst": "PULUMI_DIY_BACKEND_ZSTD=true"} {
		t.Run(ending, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			lab, cli := labAndCommand(t, w)
			file := filepath.Join(t.TempDir(), "state")
			cli.Env = append(cli.Env, setting)
			cli.Run(t, "stack", "export", "--file", file)
			cli.Run(t, "stack", "import", "--file", file)
			plain := backend.File(lab.backendDir(), lab.Name())
			if found, err := backend.Find(lab.backendDir(), lab.Name()); err != nil || found != plain+ending {
				t.Fatalf("the command wrote %s, %v", found, err)
			}
			if preview, err := lab.Preview(t.Context()); err != nil || preview.Changed() {
				t.Errorf("preview: %v, changed %v", err, preview)
			}
			if err := lab.CheckAddresses(t.Context()); err != nil {
				t.Error(err)
			}
			if up, err := lab.Up(t.Context()); err != nil || up.Changed() {
				t.Errorf("up: %v, changed %v", err, up)
			}
			if _, err := lab.Destroy(t.Context()); err != nil || len(w.names()) != 0 {
				t.Errorf("destroy: %v, left %v", err, w.names())
			}
		})
	}
}

// TestRenamedStack: nothing takes a lab whose stack has another name for one that does
// not exist, and the remedy brings it back.
func TestRenamedStack(t *testing.T) {
	t.Parallel()
	for to, name := range map[string]string{"renamed": "renamed", "organization/other/dev": "organization/other/dev"} {
		t.Run(strings.ReplaceAll(to, "/", "."), func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			lab, cli := labAndCommand(t, w)
			cli.Run(t, "stack", "rename", to)
			before := tree.Read(t, lab.Dir())
			var refused *StacksError
			for operation, run := range operations(t.Context(), lab) {
				if err := run(); !errors.As(err, &refused) || !slices.Equal(refused.Stacks, []string{name}) {
					t.Errorf("%s: %v", operation, err)
				}
			}
			if diff := cmp.Diff(before, tree.Read(t, lab.Dir())); diff != "" {
				t.Errorf("the lab's directory changed: %s", diff)
			}
			remedies := report.Remedies(refused)
			if len(remedies) != 2 || remedies[1].Operation != report.OperationForce {
				t.Fatalf("remedies: %+v", remedies)
			}
			cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", remedies[0].Command)
			cmd.Env = append(os.Environ(), "PATH="+filepath.Join(kitDir(t), "bin")+":"+os.Getenv("PATH"), "PULUMI_HOME="+lab.pulumiHome(), "PULUMI_SKIP_UPDATE_CHECK=true")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", remedies[0].Command, err, out)
			}
			if up, err := lab.Up(t.Context()); err != nil || up.Changed() {
				t.Errorf("up of the stack under its own name: %v, changed %v", err, up)
			}
			if _, err := lab.Destroy(t.Context()); err != nil || len(w.names()) != 0 {
				t.Errorf("destroy: %v, left %v", err, w.names())
			}
		})
	}
}

// TestStacksBeside: a lab does not take another stack's state and passphrase along.
func TestStacksBeside(t *testing.T) {
	t.Parallel()
	w := newWorld()
	lab, cli := labAndCommand(t, w)
	cli.Run(t, "stack", "init", "organization/meshwright/extra")
	if preview, err := lab.Preview(t.Context()); err != nil || preview.Changed() {
		t.Errorf("preview: %v", err)
	}
	var refused *StacksError
	if _, err := lab.Destroy(t.Context()); !errors.As(err, &refused) || !slices.Equal(refused.Stacks, []string{"extra"}) || len(w.names()) != 2 {
		t.Errorf("destroy beside another stack: %v, left %v", err, w.names())
	}
	cli.Run(t, "stack", "rm", "--yes", "extra")
	if _, err := lab.Destroy(t.Context()); err != nil || len(w.names()) != 0 {
		t.Errorf("destroy: %v, left %v", err, w.names())
	}
}

// TestRemovedStack: the backups and the passphrase of a stack that the pulumi command
// removed outlive a preview and an up that fails.
func TestRemovedStack(t *testing.T) {
	t.Parallel()
	w := newWorld()
	lab, cli := labAndCommand(t, w)
	cli.Run(t, "stack", "rm", "--yes", "--force")
	kept := func() map[string]string {
		t.Helper()
		files := tree.Read(t, lab.backendDir())
		for name := range files {
			if !strings.Contains(name, "dev.json.bak") && !strings.Contains(name, "backups") {
				delete(files, name)
			}
		}
		data, err := os.ReadFile(lab.passphraseFile())
		if err != nil {
			t.Error(err)
		}
		files["passphrase"] = string(data)
		return files
	}
	before := kept()
	if len(before) < 2 {
		t.Fatalf("the command left no backup: %v", before)
	}
	if preview, err := lab.Preview(t.Context()); err != nil || len(preview.Changes) != 4 {
		t.Errorf("preview: %v", err)
	}
	if diff := cmp.Diff(before, kept()); diff != "" {
		t.Errorf("preview: %s", diff)
	}
	lab.registry = func(context.Context) (*artifacts.Set, error) { return nil, errors.New("no route to host") }
	if _, err := lab.Up(t.Context()); err == nil {
		t.Error("up did not fail")
	}
	if diff := cmp.Diff(before, kept()); diff != "" {
		t.Errorf("an up that fails: %s", diff)
	}
}

// TestNewLabInABackendOfTheUsers: a preview, and an up that comes to nothing, leave
// nothing there and nothing here.
func TestNewLabInABackendOfTheUsers(t *testing.T) {
	t.Parallel()
	state, w, dir := t.TempDir(), newWorld(), t.TempDir()
	in := func(url string) *Lab {
		lab := testLab(t, "dev", state, w, "ok")
		lab.o.Backend = url
		return lab
	}
	nothing := func(after string) {
		t.Helper()
		if left, _ := filepath.Glob(filepath.Join(state, "labs", "*")); len(left) != 0 {
			t.Errorf("%s left %v", after, left)
		}
		if _, err := backend.Find(dir, "dev"); err == nil {
			t.Errorf("%s left a stack in the backend", after)
		}
	}
	missing := filepath.Join(dir, "not", "there")
	for operation, run := range map[string]func(*Lab) error{
		"up":      func(l *Lab) error { _, err := l.Up(t.Context()); return err },
		"preview": func(l *Lab) error { _, err := l.Preview(t.Context()); return err },
	} {
		if err := run(in("file://" + missing)); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("%s in a backend that is not there: %v", operation, err)
		}
		nothing(operation + " in a backend that is not there")
	}
	if preview, err := in("file://" + dir).Preview(t.Context()); err != nil || len(preview.Changes) != 4 {
		t.Errorf("preview: %v", err)
	}
	nothing("preview")

	// A backend that is away later on: nothing is forgotten, and a remedy names the way out.
	lab := in("file://" + dir)
	if _, err := lab.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, dir+"-away"); err != nil {
		t.Fatal(err)
	}
	before := tree.Read(t, lab.Dir())
	for operation, run := range operations(t.Context(), lab) {
		err := run()
		if remedies := report.Remedies(err); len(remedies) != 1 || remedies[0].Operation != report.OperationForce {
			t.Errorf("%s without the backend: %v, remedies %v", operation, err, remedies)
		}
	}
	if diff := cmp.Diff(before, tree.Read(t, lab.Dir())); diff != "" {
		t.Errorf("the lab's directory changed: %s", diff)
	}
	if err := os.Rename(dir+"-away", dir); err != nil {
		t.Fatal(err)
	}

	// Another lab of that name, of another user of the backend.
	other := testLab(t, "dev", t.TempDir(), newWorld(), "ok")
	other.o.Backend = "file://" + dir
	if _, err := other.Up(t.Context()); err == nil || !strings.Contains(err.Error(), "has a stack dev already") || isDir(other.Dir()) {
		t.Errorf("up of a stack that is another lab's: %v", err)
	}
	if _, err := lab.Destroy(t.Context()); err != nil || len(w.names()) != 0 {
		t.Errorf("destroy: %v, left %v", err, w.names())
	}
	nothing("destroy")
}
