package mark

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/meshwright/meshwright/internal/docker"
)

func TestOwnerFileIsOne(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "owner")
	daemon := docker.Daemon{ID: "A", Root: "/data", Host: "unix:///x"}
	var wg sync.WaitGroup
	ids := make([]string, 16)
	for i := range ids {
		wg.Go(func() {
			o, err := Ensure(dir, "lab", daemon)
			if err != nil {
				t.Error(err)
				return
			}
			if o.Daemon != daemon {
				t.Errorf("daemon %v", o.Daemon)
			}
			ids[i] = o.ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Fatalf("ids = %v", ids)
		}
	}
	if _, err := Read(dir, "another"); err == nil {
		t.Error("another lab reads this owner file as its own")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left over: %v, %v", entries, err)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
