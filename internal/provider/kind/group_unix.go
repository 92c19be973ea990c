//go:build unix

package kind

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// inGroup gives cmd a process group of its own, which the end of its context
// kills as a whole.
func inGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endWithParent(cmd.SysProcAttr)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// lead makes this process the leader of a group and lets SIGTERM, which the
// parent's death sends, and SIGINT kill all of it.
func lead() {
	if syscall.Getpgrp() != os.Getpid() {
		_ = syscall.Setpgid(0, 0)
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-c
		killOwnGroup()
	}()
}

// killOwnGroup does not return: this process is in the group.
func killOwnGroup() {
	_ = syscall.Kill(0, syscall.SIGKILL)
	os.Exit(1)
}
