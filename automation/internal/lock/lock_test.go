package lock

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "labs", "dev.lock")
	first, err := Acquire(path, "dev", "up")
	if err != nil {
		t.Fatal(err)
	}
	var locked *LockedError
	if _, err := Acquire(path, "dev", "destroy"); !errors.As(err, &locked) {
		t.Fatalf("second: %v", err)
	}
	if locked.Holder.Operation != "up" || locked.Holder.PID != os.Getpid() || !strings.Contains(locked.Error(), "kill -INT") {
		t.Errorf("holder: %+v", locked)
	}
	first.Release(true)
	second, err := Acquire(path, "dev", "destroy")
	if err != nil {
		t.Fatalf("after release: %v", err)
	}
	second.Release(false)
	if _, err := os.Stat(path); err != nil {
		t.Errorf("a lab that lives keeps its lock file: %v", err)
	}
}

// TestTextOfAnother: the file may name a process that was killed, whose id another one has
// by now. The message must not advise to stop that one.
func TestTextOfAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dev.lock")
	held, err := Acquire(path, "dev", "up")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release(true)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var self Holder
	if err := json.Unmarshal(text, &self); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Holder){
		"of another boot":    func(h *Holder) { h.Boot = "7f1c" },
		"of an earlier one":  func(h *Holder) { h.Start-- },
		"of an old version":  func(h *Holder) { h.Start, h.Boot = 0, "" },
		"of one that is not": func(h *Holder) { h.PID = 1<<22 + 1 },
	} {
		other := self
		change(&other)
		text, err := json.Marshal(other)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		var locked *LockedError
		if _, err := Acquire(path, "dev", "destroy"); !errors.As(err, &locked) || locked.Holder != (Holder{}) || strings.Contains(err.Error(), "kill") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReleaseOfACopy: a child that is being started has a copy of the lock's file.
func TestReleaseOfACopy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dev.lock")
	first, err := Acquire(path, "dev", "up")
	if err != nil {
		t.Fatal(err)
	}
	copied, err := unix.Dup(int(first.f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(copied)
	first.Release(false)
	second, err := Acquire(path, "dev", "destroy")
	if err != nil {
		t.Fatal(err)
	}
	second.Release(true)
}
