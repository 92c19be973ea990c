// Package group runs commands in process groups of their own, so that a
// cancellation ends a command with everything that it started.
package group

import (
	"os/exec"
	"runtime"
	"syscall"
)

// Run starts cmd, which comes from exec.CommandContext, as the leader of a new
// process group and waits for it. The end of its context kills the whole group.
// On Linux the kernel sends orphaned to the leader when this process dies;
// elsewhere nothing does. Set cmd.WaitDelay if the output is not a file.
func Run(cmd *exec.Cmd, orphaned syscall.Signal) error {
	lead(cmd, orphaned)
	done := make(chan error, 1)
	go func() {
		// The signal is bound to the thread that starts the command, so that
		// thread has to live as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		done <- cmd.Run()
	}()
	return <-done
}
