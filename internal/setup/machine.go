package setup

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/meshwright/meshwright/internal/paths"
)

// Machine is the machine to set up. Tests replace its root directory and the function
// that runs commands.
type Machine struct {
	root string // "" is the machine itself
	exec func(ctx context.Context, env []string, name string, args ...string) ([]byte, error)

	settings map[string]any             // further settings of the daemon
	isolate  func(*syscall.SysProcAttr) // further attributes of its process
}

// path returns an absolute path's place under the machine's root.
func (m Machine) path(elements ...string) string {
	return filepath.Join(append([]string{m.root, "/"}, elements...)...)
}

// Where the daemon's own files are.
func (m Machine) configFile() string  { return m.path(paths.DataDir, "daemon.json") }
func (m Machine) runtimeFile() string { return m.path(paths.DataDir, "oci-runtime") }
func (m Machine) logFile() string     { return m.path(paths.DataDir, "docker.log") }
func (m Machine) recordFile() string  { return m.path(paths.DataDir, "setup.json") }
func (m Machine) dataRoot() string    { return m.path(paths.DataDir, "docker") }
func (m Machine) execRoot() string    { return m.path(paths.RuntimeDir, "docker") }
func (m Machine) pidFile() string     { return m.path(paths.RuntimeDir, "docker.pid") }
func (m Machine) socket() string      { return m.path(paths.DockerSocket) }

// run runs a command of the system with the given additions to the environment
// and returns its stdout. Its error carries the command and its output's end.
func (m Machine) run(ctx context.Context, env []string, name string, args ...string) ([]byte, error) {
	if m.exec != nil {
		return m.exec(ctx, env, name, args...)
	}
	path, err := lookPath(name)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), env...)
	// A group of its own: Ctrl-C must not interrupt a package installation. The end of
	// ctx asks it to stop.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return stdout.Bytes(), fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err,
			lastLines(stdout.String()+stderr.String(), 15))
	}
	return stdout.Bytes(), nil
}

// lookPath finds a command on PATH or where administrators' commands are, which
// an ordinary user's PATH leaves out.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return filepath.Abs(path)
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", err
}

// lastLines returns the last n lines of text, trimmed.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// system is what the machine runs, from os-release(5): "Debian GNU/Linux 12 (bookworm)".
func (m Machine) system() string {
	data, err := os.ReadFile(m.path("/etc/os-release"))
	if err != nil {
		return "an unknown system"
	}
	return parseRelease(string(data))
}

func parseRelease(text string) string {
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && key == "PRETTY_NAME" {
			return strings.Trim(value, `"'`)
		}
	}
	return "an unknown system"
}
