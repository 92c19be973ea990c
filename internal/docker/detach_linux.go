package docker

import (
	"os/exec"
	"syscall"
)

// detach gives the command a process group of its own, ends it with us even if
// we are killed, and makes the end of its context a request to stop.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
}
