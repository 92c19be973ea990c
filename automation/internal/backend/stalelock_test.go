package backend

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/meshwright/meshwright/internal/process"
)

func TestClearStaleLocks(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	dead := deadPID(t)
	engine := runningAs(t, "pulumi")
	for name, tc := range map[string]struct {
		lock    any
		stack   string
		cleared int
		refused bool
	}{
		"dead":          {engineLock{dead, "u", host, time.Now()}, "dev", 1, false},
		"alive":         {engineLock{os.Getpid(), "u", host, time.Now()}, "dev", 0, true},
		"id used again": {engineLock{os.Getpid(), "u", host, time.Now().Add(-24 * time.Hour)}, "dev", 1, false},
		// The clock was set forward while an engine was at work.
		"an engine, earlier": {engineLock{engine, "u", host, time.Now().Add(-24 * time.Hour)}, "dev", 0, true},
		"clock set back":     {engineLock{os.Getpid(), "u", host, time.Now().Add(24 * time.Hour)}, "dev", 0, true},
		"another machine":    {engineLock{dead, "u", "elsewhere", time.Now()}, "dev", 0, true},
		"cut short":          {"", "dev", 1, false},
		"another stack":      {engineLock{dead, "u", host, time.Now()}, "other", 0, false},
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
			n, err := ClearStaleLocks(backend, "dev")
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
	if n, err := ClearStaleLocks(backend, "dev"); n != 1 || err != nil {
		t.Fatalf("cleared %d, error %v", n, err)
	}
	for name, want := range map[string]bool{state: true, state + ".attrs": false, ".pulumi/meta.yaml.attrs": true} {
		if _, err := os.Stat(filepath.Join(backend, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// runningAs starts a process of that name and returns its id.
func runningAs(t *testing.T, name string) int {
	t.Helper()
	program, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	cmd := exec.Command(path, "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd.Process.Pid
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
