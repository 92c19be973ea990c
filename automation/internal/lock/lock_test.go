package lock

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
