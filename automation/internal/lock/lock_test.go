package lock

import (
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
