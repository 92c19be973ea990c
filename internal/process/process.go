// Package process runs commands so that a cancellation ends them with everything that
// they started, tells whether a process of this machine still runs, and lets one process
// at a time hold a lock file.
package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
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

// ID identifies one process of this machine for good: process ids are used again, but not
// together with the start time within one boot. It does not depend on the clock.
type ID struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start,omitempty"` // see StartTime
	Boot  string `json:"boot,omitempty"`  // /proc/sys/kernel/random/boot_id
}

// Identify returns the identity of a process. The error wraps fs.ErrNotExist when there is
// no such process, or only a zombie, and errors.ErrUnsupported where the system is not
// Linux.
func Identify(pid int) (ID, error) {
	if runtime.GOOS != "linux" {
		return ID{PID: pid}, errors.ErrUnsupported
	}
	start, err := StartTime(procfs.DefaultMountPoint, pid)
	if err != nil {
		return ID{}, err
	}
	boot, err := os.ReadFile(filepath.Join(procfs.DefaultMountPoint, "sys/kernel/random/boot_id"))
	return ID{PID: pid, Start: start, Boot: strings.TrimSpace(string(boot))}, err
}

// Running reports whether the very process runs.
func (id ID) Running() bool {
	if id.PID <= 0 {
		return false
	}
	now, err := Identify(id.PID)
	if errors.Is(err, errors.ErrUnsupported) {
		return Alive(id.PID)
	}
	return err == nil && now == id
}

// StartedAfter reports whether the process began after t, that is, whether its id was used
// again since t. It is false when that cannot be told. The kernel counts from boot: when
// the clock is set forward, a process seems to have begun later than it did.
func StartedAfter(pid int, t time.Time) bool {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return false
	}
	stat, err := p.Stat()
	if err != nil {
		return false
	}
	start, err := stat.StartTime() // seconds since 1970
	// The time of the boot has whole seconds.
	return err == nil && time.UnixMilli(int64(start*1000)).After(t.Add(2*time.Second))
}

// Command returns the name of a process's program, at most 15 bytes of it.
func Command(pid int) (string, error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return "", err
	}
	return p.Comm()
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
