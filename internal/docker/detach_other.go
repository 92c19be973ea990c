//go:build !linux

package docker

import (
	"os/exec"
	"syscall"
)

// detach gives the command a process group of its own and makes the end of its
// context a request to stop.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
}
