package process

import "syscall"

// Child has the kernel send orphaned to a child when the thread that starts it ends,
// at the latest with this process. Only Linux can do that.
func Child(orphaned syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: orphaned}
}
