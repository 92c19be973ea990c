// Package process runs commands so that a cancellation ends them with everything that
// they started, tells whether a process of this machine still runs, and lets one process
// at a time hold a lock file.
package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
)

// Alive reports whether a process of this machine runs. One that has ended and
// waits for its parent to notice (a zombie) does not.
func Alive(pid int) bool {
	if err := syscall.Kill(pid, 0); err != nil && !errors.Is(err, syscall.EPERM) {
		return false
	}
	if runtime.GOOS != "linux" {
		return true // there is no /proc to ask
	}
	_, err := StartTime(procfs.DefaultMountPoint, pid)
	return err == nil
}

// StartedAfter reports whether the process began after t, that is, whether its
// id was used again since t. One second of grace covers the clock's grain.
func StartedAfter(pid int, t time.Time) bool {
	info, err := os.Stat("/proc/" + strconv.Itoa(pid))
	return err == nil && info.ModTime().After(t.Add(time.Second))
}

// StartTime returns when a process began, in clock ticks since boot, as the proc(5) file
// system mounted at root has it. The error wraps fs.ErrNotExist when there is no such
// process, or only a zombie.
func StartTime(root string, pid int) (uint64, error) {
	proc, err := procfs.NewFS(root)
	if err != nil {
		return 0, err
	}
	p, err := proc.Proc(pid)
	if err != nil {
		return 0, err
	}
	stat, err := p.Stat()
	if err == nil && (stat.State == "Z" || stat.State == "X") {
		err = fmt.Errorf("process %d has ended: %w", pid, fs.ErrNotExist)
	}
	return stat.Starttime, err
}
