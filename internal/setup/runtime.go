package setup

import (
	_ "embed"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// The OCI runtime wrapper, with the real runtime's path to be filled in.
//
//go:embed oci-runtime.sh
var ociRuntime string

// runtimeScript returns the wrapper around the runtime at the path runc.
func runtimeScript(runc string) string {
	return strings.ReplaceAll(ociRuntime, "@RUNC@", runc)
}

// capSysResource is the capability's bit in the masks of /proc/PID/status
// (linux/capability.h).
const capSysResource = 24

// needsWrapper reports whether containers cannot run here without the wrapper.
func (m Machine) needsWrapper() (bool, error) {
	status, err := os.ReadFile(m.path("/proc/self/status"))
	if err != nil {
		return false, err
	}
	return lacksSysResource(string(status))
}

// lacksSysResource reports whether a process with this /proc/PID/status can
// never hold CAP_SYS_RESOURCE: the bit is missing from its bounding set.
func lacksSysResource(status string) (bool, error) {
	for line := range strings.Lines(status) {
		mask, ok := strings.CutPrefix(line, "CapBnd:")
		if !ok {
			continue
		}
		bits, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
		if err != nil {
			return false, fmt.Errorf("capability bounding set: %w", err)
		}
		return bits&(1<<capSysResource) == 0, nil
	}
	return false, fmt.Errorf("no capability bounding set in the process status")
}
