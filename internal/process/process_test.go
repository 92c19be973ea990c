package process

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAZombieIsNotAlive(t *testing.T) {
	if !Alive(os.Getpid()) {
		t.Fatal("this very process does not count as alive")
	}
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if !Alive(cmd.Process.Pid) {
		t.Error("a running child does not count as alive")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// Not waited for, so that it stays a zombie.
	for deadline := time.Now().Add(5 * time.Second); Alive(cmd.Process.Pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("a zombie still counts as alive")
			break
		}
	}
	_ = cmd.Wait()
}

// TestStartedAfter: the directory of a process in /proc has the time at which somebody
// first looked at it, which is not when the process began.
func TestStartedAfter(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	began := time.Now()
	time.Sleep(2500 * time.Millisecond)
	if StartedAfter(cmd.Process.Pid, began) {
		t.Error("a process that nobody had looked at began when it was looked at")
	}
	if !StartedAfter(cmd.Process.Pid, began.Add(-time.Hour)) {
		t.Error("a process that began an hour after a time did not begin after it")
	}
	if StartedAfter(1<<22+1, began.Add(-time.Hour)) {
		t.Error("a process that is not there began")
	}
}

func TestID(t *testing.T) {
	self, err := Identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if !self.Running() || self.Start == 0 || self.Boot == "" {
		t.Errorf("this very process: %+v", self)
	}
	for name, other := range map[string]ID{
		"another boot":               {self.PID, self.Start, "7f1c"},
		"another process of that id": {self.PID, self.Start + 1, self.Boot},
		"no process":                 {1<<22 + 1, self.Start, self.Boot},
		"nothing recorded":           {PID: self.PID},
		"none":                       {},
	} {
		if other.Running() {
			t.Errorf("%s: %+v runs", name, other)
		}
	}
}

func TestStartTime(t *testing.T) {
	for name, tc := range map[string]struct {
		stat  string
		want  uint64
		ended bool
		bad   bool
	}{
		"plain":                {stat: "7 (sh) S" + fields(18) + " 4242" + fields(22), want: 4242},
		"a name that misleads": {stat: "7 (a) Z 1) S" + fields(18) + " 4242" + fields(22), want: 4242},
		"zombie":               {stat: "7 (sh) Z" + fields(18) + " 4242" + fields(22), ended: true},
		"gone":                 {ended: true},
		"cut short":            {stat: "7 (sh) S 1 2", bad: true},
		"no name":              {stat: "7", bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			if tc.stat != "" {
				if err := errors.Join(os.Mkdir(root+"/7", 0o700), os.WriteFile(root+"/7/stat", []byte(tc.stat), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			got, err := StartTime(root, 7)
			if err == nil && got != tc.want || errors.Is(err, fs.ErrNotExist) != tc.ended || (err != nil) != (tc.ended || tc.bad) {
				t.Errorf("%d, %v", got, err)
			}
		})
	}
}

// fields are n fields of no interest.
func fields(n int) string { return strings.Repeat(" 1", n) }

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "lock")
	unlock, err := Lock(t.Context(), path, 0o600, func() { t.Error("the first one waits") })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	if _, err := Lock(ctx, path, 0o600, func() { cancel(stop) }); !errors.Is(err, stop) {
		t.Errorf("the second does not wait: %v", err)
	}
	// A clean-up removes the file while it holds the lock.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	unlock()
	if unlock, err = Lock(t.Context(), path, 0o600, func() { t.Error("it waits for a removed file") }); err != nil {
		t.Fatal(err)
	}
	unlock()
}
