package airgap

import (
	"io/fs"
	"os/exec"
	"syscall"
)

// endGroup makes a child lead a process group of its own and lets cancellation
// end all of it: compilers and installers have children. Should this process be
// killed, the child is told to end too.
func endGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
}

// fileID tells files apart that have several names.
type fileID struct{ device, inode uint64 }

func idOf(info fs.FileInfo) (fileID, bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}, false
	}
	return fileID{s.Dev, s.Ino}, true
}
