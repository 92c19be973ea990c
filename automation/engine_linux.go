package automation

import "syscall"

// childAttr gives a child a process group of its own, which a Ctrl-C at the
// terminal does not reach, and has the kernel kill it when this process dies.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
