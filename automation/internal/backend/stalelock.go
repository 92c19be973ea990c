package backend

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/meshwright/meshwright/internal/process"
)

// engineLock is the lock file that Pulumi's local backend leaves under
// .pulumi/locks/organization/<project>/<stack>/.
type engineLock struct {
	Pid       int       `json:"pid"`
	Username  string    `json:"username"`
	Hostname  string    `json:"hostname"`
	Timestamp time.Time `json:"timestamp"`
}

// held reports whether the engine that made the lock may still run. The lock has no more
// of it than its id and a time by the clock, which may have been set since. So an engine
// with that id holds it, and so does another process that is as old as the lock.
func (l engineLock) held() bool {
	if l.Pid == 0 || !process.Alive(l.Pid) {
		return false
	}
	command, err := process.Command(l.Pid)
	return err != nil || strings.HasPrefix(command, "pulumi") || !process.StartedAfter(l.Pid, l.Timestamp)
}

// ClearStaleLocks removes the locks that a killed Pulumi engine left on the
// stack and returns how many. The caller holds the lab's own lock. A
// lock whose process is alive or on another machine is an error: a plain `pulumi`
// may be at work in the same backend. With the locks it removes attributes that such
// an engine had only begun to write.
func ClearStaleLocks(backend, stack string) (int, error) {
	root := filepath.Join(backend, ".pulumi", "locks")
	host, err := os.Hostname()
	if err != nil {
		return 0, err
	}
	cleared := 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if d.IsDir() || !strings.HasSuffix(path, ".json") || filepath.Base(filepath.Dir(path)) != stack {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var l engineLock
		if err := json.Unmarshal(data, &l); err != nil {
			// The engine was killed while writing it: the lock has no holder.
			l = engineLock{}
		}
		if l.Hostname != "" && l.Hostname != host {
			return fmt.Errorf("stack %s is locked by %s on %s since %s; when that is over: rm %s", stack, l.Username, l.Hostname, l.Timestamp.Format(time.DateTime), path)
		}
		if l.held() {
			return fmt.Errorf("stack %s is locked by process %d since %s; wait for it, or stop it with: kill -INT %d", stack, l.Pid, l.Timestamp.Local().Format("15:04:05"), l.Pid)
		}
		// The backend keeps attributes of its files beside them.
		if err := errors.Join(os.Remove(path), os.RemoveAll(path+".attrs")); err != nil {
			return err
		}
		cleared++
		return nil
	})
	if cleared > 0 {
		err = errors.Join(err, dropCutAttributes(filepath.Join(backend, ".pulumi")))
	}
	return cleared, err
}

// dropCutAttributes removes attributes that no engine could read. The backend
// replaces its files in one step, but writes their attributes (a checksum, a type)
// in place, and refuses a file with incomplete attributes. A file needs none.
func dropCutAttributes(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".attrs" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil || json.Valid(data) {
			return err
		}
		return os.Remove(path)
	})
}
