package automation

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/meshwright/meshwright/internal/docker"
)

// Environment of the commands that this test binary is, under their names.
const (
	failingVariable = "MESHWRIGHT_TEST_FAILING_" // and the command's name: which call of it fails, from 1
	callsVariable   = "MESHWRIGHT_TEST_CALLS"    // directory of a file for each command, a byte long for each call
	pulumiVariable  = "MESHWRIGHT_TEST_PULUMI"   // the real pulumi command
)

// refusal is what a call that fails says, as Docker and Pulumi say it.
const refusal = "error: injected failure of a call"

// fails reports whether this call of a command is the one that is to fail.
func fails(command string) bool {
	n, err := strconv.ParseInt(os.Getenv(failingVariable+command), 10, 64)
	if err != nil {
		return false
	}
	f, err := os.OpenFile(filepath.Join(os.Getenv(callsVariable), command), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	if _, err := f.WriteString("x"); err != nil {
		panic(err)
	}
	info, err := f.Stat()
	if err != nil {
		panic(err)
	}
	return info.Size() == n
}

// throughToPulumi becomes the real pulumi command.
func throughToPulumi() error {
	path := os.Getenv(pulumiVariable)
	return syscall.Exec(path, append([]string{path}, os.Args[1:]...), os.Environ()) //nolint:gosec // the test's own
}

// TestFailingCalls lets calls of Docker and Pulumi fail in turn, in up and in destroy.
// The operation says so or does without; the next one converges; nothing of anybody
// else's is touched.
func TestFailingCalls(t *testing.T) {
	lab, _, networks := networkLab(t)
	kit := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(kit, "bin")
	if err := errors.Join(
		os.Mkdir(bin, 0o755),
		os.Symlink(self, filepath.Join(bin, "pulumi")),
		os.Symlink(filepath.Join(lab.o.KitDir, "bin", "pulumi-language-go"), filepath.Join(bin, "pulumi-language-go")),
	); err != nil {
		t.Fatal(err)
	}
	t.Setenv(pulumiVariable, filepath.Join(lab.o.KitDir, "bin", "pulumi"))
	lab.o.KitDir = kit

	const foreign = "somebody-elses"
	if _, err := docker.New("").Run(t.Context(), "network", "create", foreign); err != nil {
		t.Fatal(err)
	}
	clean := networks()
	up := func(ctx context.Context) error { _, err := lab.Up(ctx); return err }
	destroy := func(ctx context.Context) error { _, err := lab.Destroy(ctx); return err }
	converge := func(what string, f func(context.Context) error) {
		t.Helper()
		if err := f(t.Context()); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	// failing runs an operation whose n-th call of the command fails, and reports whether
	// it made that many.
	failing := func(command string, n int, operation func(context.Context) error) (reached bool, err error) {
		calls := t.TempDir()
		t.Setenv(callsVariable, calls)
		t.Setenv(failingVariable+command, strconv.Itoa(n))
		defer os.Unsetenv(failingVariable + command)
		err = operation(t.Context())
		info, statErr := os.Stat(filepath.Join(calls, command))
		return statErr == nil && info.Size() >= int64(n), err
	}
	judge := func(what string, err error) {
		t.Helper()
		t.Logf("%s: %v", what, err)
		if err != nil && !strings.Contains(err.Error(), "injected") {
			t.Errorf("%s: the error does not say what failed: %v", what, err)
		}
		if !strings.Contains(networks(), foreign) {
			t.Fatalf("%s: somebody else's network was removed", what)
		}
	}
	// Each takes seconds: `make test-kill` has all of them fail, of both commands.
	all := os.Getenv("MESHWRIGHT_STOPS") != ""
	for command, most := range map[string]int{"docker": 8, "pulumi": 0} {
		n := 1
		for more := true; more && (all || n <= most); n++ {
			what := fmt.Sprintf("up, call %d of %s", n, command)
			ups, err := failing(command, n, up)
			judge(what, err)
			converge(what+", then up", up)
			if strings.Count(networks(), `"Name"`) != 2 {
				t.Fatalf("%s, then up: %s", what, networks())
			}
			what = fmt.Sprintf("destroy, call %d of %s", n, command)
			destroys, err := failing(command, n, destroy)
			judge(what, err)
			if err != nil {
				converge(what+", then destroy", destroy)
			}
			if networks() != clean {
				t.Fatalf("%s, then destroy: %s", what, networks())
			}
			more = ups || destroys
		}
		if n < 5 && (all || most > 0) {
			t.Errorf("%d calls of %s: were they counted?", n-1, command)
		}
	}
}
