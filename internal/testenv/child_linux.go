package testenv

import "syscall"

// childAttributes lets the children die with the test process, also when that
// is killed.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
