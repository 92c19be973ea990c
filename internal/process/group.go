package process

import (
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
)

// Run starts cmd, which comes from exec.CommandContext, as the leader of a new
// process group and waits for it. The end of its context kills the whole group.
// On Linux the kernel sends orphaned to the leader when this process dies;
// elsewhere nothing does. Set cmd.WaitDelay if the output is not a file.
func Run(cmd *exec.Cmd, orphaned syscall.Signal) error {
	cmd.SysProcAttr = Group(orphaned)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
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

// Group gives a child a process group of its own, which a Ctrl-C at the terminal
// does not reach; for orphaned see Child.
func Group(orphaned syscall.Signal) *syscall.SysProcAttr {
	attributes := Child(orphaned)
	attributes.Setpgid = true
	return attributes
}

// Lead makes this process the leader of a group, if it is not, and has SIGTERM
// and SIGINT kill the group.
func Lead() {
	if syscall.Getpgrp() != os.Getpid() {
		_ = syscall.Setpgid(0, 0)
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-c
		KillOwn()
	}()
}

// KillOwn kills this process's group. It does not return: the process is in it.
func KillOwn() {
	_ = syscall.Kill(0, syscall.SIGKILL)
	os.Exit(1)
}
