// Package process runs commands so that a cancellation ends them with everything that
// they started, and tells whether a process of this machine still runs, also where
// the machine's init is slow to take away those that have ended.
package process

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Alive reports whether a process of this machine runs. One that has ended and
// waits for its parent to notice (a zombie) does not.
func Alive(pid int) bool {
	if err := syscall.Kill(pid, 0); err != nil && !errors.Is(err, syscall.EPERM) {
		return false
	}
	stat, err := os.ReadFile(statFile(pid))
	if err != nil {
		return runtime.GOOS != "linux" // where there is no /proc, the signal's word stands
	}
	_, err = StartTime(stat)
	return !errors.Is(err, fs.ErrNotExist)
}

// StartedAfter reports whether the process began after t, that is, whether its
// id was used again since t. One second of grace covers the clock's grain.
func StartedAfter(pid int, t time.Time) bool {
	info, err := os.Stat("/proc/" + strconv.Itoa(pid))
	return err == nil && info.ModTime().After(t.Add(time.Second))
}

func statFile(pid int) string { return "/proc/" + strconv.Itoa(pid) + "/stat" }

// StartTime reads from the content of /proc/PID/stat when the process began, in
// clock ticks since boot (field 22 of proc(5)). A process that has ended is an
// error that wraps fs.ErrNotExist.
//
// The second field is the command's name in parentheses, which may hold spaces
// and parentheses itself, so fields are counted from the last one.
func StartTime(stat []byte) (uint64, error) {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, errors.New("unexpected form of its stat file")
	}
	fields := strings.Fields(string(stat[end+1:]))
	const state, start = 0, 22 - 3 // the first field here is number 3
	if len(fields) <= start {
		return 0, errors.New("unexpected form of its stat file")
	}
	if fields[state] == "Z" || fields[state] == "X" {
		return 0, fmt.Errorf("has ended: %w", fs.ErrNotExist)
	}
	return strconv.ParseUint(fields[start], 10, 64)
}
