//go:build unix && !linux

package kind

import "syscall"

// endWithParent relies on the end of the child's standard input.
func endWithParent(*syscall.SysProcAttr) {}
