package setup

import (
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
	start, err := process.StartTime(m.path("/proc"), pid)
	if err != nil {
		return Process{}, err
	}
	boot, err := m.boot()
	return Process{PID: pid, Start: start, Boot: boot}, err
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
	return m.readSysctl("kernel.random.boot_id")
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
	pid, parseErr := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || parseErr != nil {
		return 0
	}
	return max(pid, 0)
}
