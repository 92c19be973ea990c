//go:build !linux

package process

import "syscall"

// Child ties a child to this process on Linux alone.
func Child(syscall.Signal) *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
