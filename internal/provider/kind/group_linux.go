package kind

import "syscall"

// endWithParent has the kernel tell the child when the thread that started it
// ends. The child also notices its standard input's end, on every system.
func endWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGTERM }
