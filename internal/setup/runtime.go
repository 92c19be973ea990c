package setup

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/procfs"
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

// needsWrapper reports whether containers cannot run here without the wrapper: no
// process can hold CAP_SYS_RESOURCE when the bit is missing from the bounding set.
func (m Machine) needsWrapper() (bool, error) {
	proc, err := procfs.NewFS(m.path("/proc"))
	if err != nil {
		return false, err
	}
	self, err := proc.Self()
	if err != nil {
		return false, err
	}
	status, err := self.NewStatus()
	if err == nil && status.CapBnd == 0 {
		err = errors.New("the process status has none")
	}
	if err != nil {
		return false, fmt.Errorf("capability bounding set: %w", err)
	}
	return status.CapBnd&(1<<capSysResource) == 0, nil
}
