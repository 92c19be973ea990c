//go:build !linux

package automation

import "syscall"

// childAttr gives a child a process group of its own, which a Ctrl-C at the
// terminal does not reach. Only Linux can also tie its life to this process.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
