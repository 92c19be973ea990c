package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meshwright/meshwright/internal/process"
)

// TestMain makes this test binary the executable that children run.
func TestMain(m *testing.M) {
	// As the real executable does before it looks at its arguments.
	if strings.HasPrefix(filepath.Base(os.Args[0]), "pulumi-resource-") {
		os.Exit(99)
	}
	if len(os.Args) > 1 && os.Args[1] == ChildArg {
		os.Exit(ChildMain())
	}
	if len(os.Args) > 1 && os.Args[1] == "parent" { // see TestChildEndsWithAKilledParent
		exe, _ := os.Executable()
		_ = runChild(exe)(context.Background(), job{
			spec: spec{Format: specFormat, Name: "x", Config: minimalConfig},
			line: func(line string) { fmt.Println(line) },
		})
		os.Exit(0)
	}
	if len(os.Args) > 1 && os.Args[1] == "victim" { // see TestLiveKilledCreate
		victimMain(os.Args[2], os.Args[3], os.Args[4])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const minimalConfig = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes: [{role: control-plane, image: x}]\n"

// fakeDocker puts a docker command on PATH that records its process ID and its
// environment and then does not end.
func fakeDocker(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	script := "#!/bin/sh\necho $DOCKER_HOST $KIND_EXPERIMENTAL_DOCKER_NETWORK $DOCKER_CONTEXT >" + dir + "/env\n" +
		"echo $$ >" + dir + "/pid.tmp && mv " + dir + "/pid.tmp " + dir + "/pid\nexec sleep 300\n"
	if err := os.WriteFile(filepath.Join(dir, "docker"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return dir
}

// waitPid returns the process ID that the fake docker wrote.
func waitPid(t *testing.T, dir string) int {
	t.Helper()
	for range 500 {
		if raw, err := os.ReadFile(filepath.Join(dir, "pid")); err == nil {
			pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("kind did not call docker")
	return 0
}

// waitGone fails unless the process ends soon.
func waitGone(t *testing.T, pid int) {
	t.Helper()
	for range 250 {
		if !process.Alive(pid) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("process %d is still there", pid)
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCancellationKillsTheWholeGroup(t *testing.T) {
	dir := fakeDocker(t)
	t.Setenv("DOCKER_CONTEXT", "elsewhere")
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- runChild(self(t))(ctx, job{
			spec: spec{Format: specFormat, Name: "x", Config: minimalConfig},
			env:  []string{"DOCKER_HOST=unix:///x", networkVariable + "=net"},
			line: func(string) {},
		})
	}()
	pid := waitPid(t, dir)
	if env, _ := os.ReadFile(filepath.Join(dir, "env")); strings.TrimSpace(string(env)) != "unix:///x net" {
		t.Errorf("the child's environment: %q", env)
	}
	start := time.Now()
	why := errors.New("stop")
	cancel(why)
	if err := <-ended; !errors.Is(err, why) {
		t.Errorf("err = %v", err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("it took %s", d)
	}
	waitGone(t, pid)
}

func TestChildEndsWithAKilledParent(t *testing.T) {
	dir := fakeDocker(t)
	parent := exec.Command(self(t), "parent")
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	pid := waitPid(t, dir)
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	waitGone(t, pid)
}

func TestChildSaysWhatWentWrong(t *testing.T) {
	tests := map[string]struct {
		docker string // the fake docker's script
		spec   spec
		want   string
	}{
		"docker fails": {
			docker: "echo the daemon is on holiday >&2; exit 1",
			spec:   spec{Format: specFormat, Name: "x", Config: minimalConfig},
			want:   "the daemon is on holiday",
		},
		"another version": {spec: spec{Format: 99}, want: "another version"},
		"bad configuration": {
			docker: "exit 0",
			spec:   spec{Format: specFormat, Name: "x", Config: "kind: Nonsense"},
			want:   "ERROR: ",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "docker"), []byte("#!/bin/sh\n"+tt.docker+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
			tt.spec.Kubeconfig = filepath.Join(dir, "kubeconfig")
			for name, run := range map[string]runner{"child": runChild(self(t)), "here": runHere} {
				if name == "here" && tt.spec.Format != specFormat {
					continue
				}
				var mu sync.Mutex
				var lines []string
				err := run(t.Context(), job{spec: tt.spec, abort: func() {}, line: func(l string) {
					mu.Lock()
					defer mu.Unlock()
					lines = append(lines, l)
				}})
				if err == nil {
					t.Errorf("%s: it succeeded", name)
				}
				if text := strings.Join(lines, "\n"); !strings.Contains(text, tt.want) {
					t.Errorf("%s: output %q lacks %q", name, text, tt.want)
				}
			}
		})
	}
}

func TestMissingExecutableIsNamed(t *testing.T) {
	err := runChild("/nowhere/meshwright")(t.Context(), job{line: func(string) {}})
	if err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("err = %v", err)
	}
}

func TestRunHereRestoresTheEnvironment(t *testing.T) {
	t.Setenv("DOCKER_HOST", "before")
	t.Setenv("KUBECONFIG", "mine")
	t.Setenv("PATH", t.TempDir())
	_ = runHere(t.Context(), job{
		spec: spec{Name: "x", Config: "kind: Nonsense"}, env: []string{"DOCKER_HOST=x", networkVariable + "=net"},
		line: func(string) {}, abort: func() {},
	})
	if os.Getenv("DOCKER_HOST") != "before" || os.Getenv("KUBECONFIG") != "mine" {
		t.Error("the environment is another one")
	}
	if v, ok := os.LookupEnv(networkVariable); ok {
		t.Errorf("%s=%s was left", networkVariable, v)
	}
}

func TestPluginIsNoChildUnderItsOwnName(t *testing.T) {
	plugin := filepath.Join(t.TempDir(), "pulumi-resource-meshwright")
	if err := os.Symlink(self(t), plugin); err != nil {
		t.Fatal(err)
	}
	var lines []string
	err := runChild(plugin)(t.Context(), job{spec: spec{Format: 99}, line: func(l string) { lines = append(lines, l) }})
	if err == nil || !strings.Contains(strings.Join(lines, "\n"), "another version") {
		t.Errorf("err = %v, output %q", err, lines)
	}
}
