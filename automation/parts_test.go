package automation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"

	"github.com/meshwright/meshwright/internal/process"
)

func TestBuiltinSettingsAreTheProjectsOwn(t *testing.T) {
	want, err := filepath.Glob("../Pulumi.*.yaml")
	if err != nil || len(want) == 0 {
		t.Fatalf("%v, %v", want, err)
	}
	got, err := fs.Glob(builtin, "settings/*")
	if err != nil || len(got) != len(want) {
		t.Errorf("%d built-in settings, %d in the project: run go generate ./automation", len(got), len(want))
	}
	for _, path := range want {
		tracked, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		copied, err := fs.ReadFile(builtin, "settings/"+filepath.Base(path))
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(string(tracked), string(copied)); diff != "" {
			t.Errorf("%s: run go generate ./automation: %s", path, diff)
		}
	}
}

func TestClearStaleLocks(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	dead := deadPID(t)
	for name, tc := range map[string]struct {
		lock    any
		stack   string
		cleared int
		refused bool
	}{
		"dead":            {engineLock{dead, "u", host, time.Now()}, "dev", 1, false},
		"alive":           {engineLock{os.Getpid(), "u", host, time.Now()}, "dev", 0, true},
		"id used again":   {engineLock{os.Getpid(), "u", host, time.Now().Add(-24 * time.Hour)}, "dev", 1, false},
		"another machine": {engineLock{dead, "u", "elsewhere", time.Now()}, "dev", 0, true},
		"cut short":       {"", "dev", 1, false},
		"another stack":   {engineLock{dead, "u", host, time.Now()}, "other", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			backend := t.TempDir()
			dir := filepath.Join(backend, ".pulumi/locks/organization/meshwright", tc.stack)
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			data, _ := json.Marshal(tc.lock)
			if tc.lock == "" {
				data = []byte(`{"pid":`)
			}
			if err := os.WriteFile(filepath.Join(dir, "a.json"), data, 0o600); err != nil {
				t.Fatal(err)
			}
			n, err := clearStaleLocks(backend, "dev")
			if n != tc.cleared || (err != nil) != tc.refused {
				t.Errorf("cleared %d, error %v", n, err)
			}
		})
	}
}

// TestCutAttributes: an engine that is killed while it writes a file's attributes
// leaves them empty, and no engine would read the file any more.
func TestCutAttributes(t *testing.T) {
	backend := t.TempDir()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	lock, err := json.Marshal(engineLock{deadPID(t), "u", host, time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	const state = ".pulumi/stacks/meshwright/dev.json"
	for name, data := range map[string]string{
		".pulumi/locks/organization/meshwright/dev/a.json": string(lock),
		state: "{}", state + ".attrs": "", ".pulumi/meta.yaml": "version: 1", ".pulumi/meta.yaml.attrs": "{}\n",
	} {
		path := filepath.Join(backend, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(data), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := clearStaleLocks(backend, "dev"); n != 1 || err != nil {
		t.Fatalf("cleared %d, error %v", n, err)
	}
	for name, want := range map[string]bool{state: true, state + ".attrs": false, ".pulumi/meta.yaml.attrs": true} {
		if _, err := os.Stat(filepath.Join(backend, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// deadPID is the id of a process that has ended.
func deadPID(t *testing.T) int {
	t.Helper()
	for pid := 1 << 21; pid > 1; pid-- {
		if !process.Alive(pid) {
			return pid
		}
	}
	t.Fatal("every process id is in use")
	return 0
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "labs", "dev.lock")
	first, err := acquire(path, "dev", "up")
	if err != nil {
		t.Fatal(err)
	}
	var locked *LockedError
	if _, err := acquire(path, "dev", "destroy"); !errors.As(err, &locked) {
		t.Fatalf("second: %v", err)
	}
	if locked.Holder.Operation != "up" || locked.Holder.PID != os.Getpid() || !strings.Contains(locked.Error(), "kill -INT") {
		t.Errorf("holder: %+v", locked)
	}
	first.release(true)
	second, err := acquire(path, "dev", "destroy")
	if err != nil {
		t.Fatalf("after release: %v", err)
	}
	second.release(false)
	if _, err := os.Stat(path); err != nil {
		t.Errorf("a lab that lives keeps its lock file: %v", err)
	}
}

func TestPassphrase(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passphrase")
	if err := ensurePassphrase(file, true, " --name two"); !errors.Is(err, ErrPassphraseLost) {
		t.Errorf("state without passphrase: %v", err)
	}
	if err := ensurePassphrase(file, false, " --name two"); err != nil {
		t.Fatal(err)
	}
	one, _ := os.ReadFile(file)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 || len(one) < 40 {
		t.Errorf("passphrase of %d bytes, %v, %v", len(one), info, err)
	}
	if err := ensurePassphrase(file, false, " --name two"); err != nil {
		t.Fatal(err)
	}
	if two, _ := os.ReadFile(file); string(one) != string(two) {
		t.Error("the passphrase was made anew")
	}
}

func TestSetConfig(t *testing.T) {
	for name, tc := range map[string]struct{ key, value, want string }{
		"plain":     {"meshID", "m", `{"meshwright:meshID":"m"}`},
		"namespace": {"pulumi:tags", "m", `{"pulumi:tags":"m"}`},
		"path":      {"clusters[0].workers", "2", `{"meshwright:clusters":[{"workers":2}]}`},
		"dots":      {"sample.enabled", "false", `{"meshwright:sample":{"enabled":false}}`},
	} {
		t.Run(name, func(t *testing.T) {
			m := config.Map{}
			if err := setConfig(m, tc.key, tc.value); err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			data, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			_ = json.Unmarshal(data, &got)
			flat := map[string]any{}
			for k, v := range got {
				flat[k] = v
				if o, ok := v.(map[string]any); ok && o["objectValue"] != nil {
					_ = json.Unmarshal([]byte(fmt.Sprint(o["objectValue"])), &v)
					flat[k] = v
				}
			}
			var want map[string]any
			if err := json.Unmarshal([]byte(tc.want), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, flat); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCleanEnv(t *testing.T) {
	got := cleanEnv([]string{"PATH=/bin", "PULUMI_STACK=x", "PULUMI_ACCESS_TOKEN=t", "HOME=/h"}, "PULUMI_")
	if diff := cmp.Diff([]string{"PATH=/bin", "HOME=/h"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestWithoutPending(t *testing.T) {
	d, err := withoutPending(apitype.UntypedDeployment{Version: 3, Deployment: []byte(`{"resources":[1],"pending_operations":[{"type":"creating"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`{"resources":[1]}`, string(d.Deployment)); diff != "" {
		t.Error(diff)
	}
}

// TestFlags: what is typed next, in this directory, addresses the same lab.
func TestFlags(t *testing.T) {
	here := t.TempDir()
	there := filepath.Join(t.TempDir(), "it's there")
	for _, dir := range []string{here, there} {
		if err := os.MkdirAll(filepath.Join(dir, "below"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), []byte("name: meshwright\nruntime: go\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(filepath.Join(here, "below"))
	for name, tc := range map[string]struct {
		options Options
		want    string
	}{
		"the default":     {Options{}, ""},
		"this project":    {Options{ProjectDir: ".."}, ""},
		"another project": {Options{ProjectDir: there}, " --project " + quoted(there)},
		"a stack":         {Options{Stack: "primary-remote"}, " --stack primary-remote"},
		"a name":          {Options{Name: "two"}, " --name two"},
		"the stack's own": {Options{Stack: "three-region", Name: "three-region"}, " --stack three-region"},
		"all":             {Options{Stack: "three-region", Name: "two", ProjectDir: there}, " --stack three-region --name two --project " + quoted(there)},
	} {
		t.Run(name, func(t *testing.T) {
			tc.options.StateDir = t.TempDir()
			lab, err := New(t.Context(), tc.options)
			if err != nil {
				t.Fatal(err)
			}
			if got := lab.Flags(); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// quoted is a path with an apostrophe, as a shell takes it.
func quoted(path string) string { return "'" + strings.ReplaceAll(path, "'", `'"'"'`) + "'" }

func TestOptions(t *testing.T) {
	for name, tc := range map[string]struct {
		o    Options
		fine bool
	}{
		"zero":           {Options{}, true},
		"capital":        {Options{Name: "Dev"}, false},
		"too long":       {Options{Name: strings.Repeat("a", 21)}, false},
		"ends with dash": {Options{Name: "a-"}, false},
		"artifacts":      {Options{Artifacts: "floppy"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := New(t.Context(), tc.o); (err == nil) != tc.fine {
				t.Errorf("%v", err)
			}
		})
	}
	lab, err := New(t.Context(), Options{Stack: "no-such", StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	var unknown *UnknownStackError
	if err := lab.Check(); !errors.As(err, &unknown) || len(unknown.Known) == 0 {
		t.Errorf("unknown stack: %v", err)
	}
}

func TestPlainMessages(t *testing.T) {
	if got := plain("<{%reset%}>a <{%fg 1%}>b<{%reset%}>\n"); got != "a b" {
		t.Errorf("%q", got)
	}
}
