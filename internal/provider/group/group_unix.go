//go:build unix

package group

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

func lead(cmd *exec.Cmd, orphaned syscall.Signal) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endWithParent(cmd.SysProcAttr, orphaned)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
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
