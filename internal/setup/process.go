package setup

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/meshwright/meshwright/internal/process"
)

// Process identifies one process for good: ids are reused, but not together
// with the start time within one boot.
type Process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks since boot, /proc/PID/stat field 22 (proc(5))
	Boot  string `json:"boot"`  // /proc/sys/kernel/random/boot_id
}

// identify returns the identity of the process that now has this id. It fails
// with fs.ErrNotExist when there is none, or only a zombie.
func (m Machine) identify(pid int) (Process, error) {
	stat, err := os.ReadFile(m.path("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return Process{}, err
	}
	start, err := process.StartTime(stat)
	if err != nil {
		return Process{}, fmt.Errorf("process %d: %w", pid, err)
	}
	boot, err := m.boot()
	if err != nil {
		return Process{}, err
	}
	return Process{PID: pid, Start: start, Boot: boot}, nil
}

// alive reports whether the very process still runs.
func (m Machine) alive(p Process) bool {
	if p.PID <= 0 {
		return false
	}
	now, err := m.identify(p.PID)
	return err == nil && now == p
}

// boot returns the identity of the machine's current boot.
func (m Machine) boot() (string, error) {
	id, err := os.ReadFile(m.path("/proc/sys/kernel/random/boot_id"))
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(id)), nil
}

// command returns a process's arguments, nil when it is gone.
func (m Machine) command(pid int) []string {
	data, err := os.ReadFile(m.path("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil || len(data) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00")
}

// readPID returns the process id in a pid file, 0 when there is none.
func readPID(path string) int {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}
