// Package executable runs a built meshwright as its users do: as a process, on labs
// that are kept in a state directory of their own.
package executable

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/process"
)

// Executable is a built meshwright and where its labs are.
type Executable struct {
	Path   string // absolute
	State  string // XDG_STATE_HOME of every command
	Docker *docker.Client

	lock *os.File // says that this run lives
}

// New takes the executable at path, with a new state directory that Close removes. First
// it takes down what runs left that were killed: their labs would stand in the way.
func New(path string, client *docker.Client) (*Executable, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("%w: run `make build`", err)
	}
	if err := sweep(path, client); err != nil {
		return nil, err
	}
	unlocked, err := os.MkdirTemp("", "."+prefix)
	if err != nil {
		return nil, err
	}
	lock, err := process.TryLock(filepath.Join(unlocked, lockName), 0o600)
	if err != nil {
		return nil, err
	}
	// It has the name that sweep looks for once it is locked.
	state := filepath.Join(filepath.Dir(unlocked), strings.TrimPrefix(filepath.Base(unlocked), "."))
	return &Executable{Path: path, State: state, Docker: client, lock: lock}, os.Rename(unlocked, state)
}

// A state directory begins with prefix and holds a lock file, held as long as its run lives.
const (
	prefix   = "meshwright-run-"
	lockName = "lock"
)

// sweep destroys the labs of runs that have ended without Close.
func sweep(path string, client *docker.Client) error {
	states, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	if err != nil {
		return err
	}
	for _, state := range states {
		lock, err := process.TryLock(filepath.Join(state, lockName), 0o600)
		if errors.Is(err, process.ErrLocked) || errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		e := &Executable{Path: path, State: state, Docker: client, lock: lock}
		labs, err := filepath.Glob(e.LabDir("*"))
		if err != nil {
			return err
		}
		for _, lab := range labs {
			if info, err := os.Stat(lab); err != nil || !info.IsDir() {
				continue
			}
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
			_, err := e.Run(ctx, "destroy", "--name", filepath.Base(lab))
			cancel()
			if err != nil {
				return fmt.Errorf("what an earlier run left in %s: %w", state, err)
			}
		}
		e.Close()
	}
	return nil
}

// Close removes the state directory. It takes no lab down.
func (e *Executable) Close() {
	_ = os.RemoveAll(e.State)
	process.Unlock(e.lock)
}

// Environment is this process's, with nothing ambient that leads to a cluster.
func (e *Executable) Environment() []string {
	env := append(os.Environ(), "XDG_STATE_HOME="+e.State, "KUBECONFIG="+filepath.Join(e.State, "no-kubeconfig"), "NO_COLOR=1")
	return append(env, e.Docker.Env()...)
}

// LabDir is where a lab is kept.
func (e *Executable) LabDir(lab string) string {
	return filepath.Join(e.State, "meshwright", "labs", lab)
}

// Kubeconfig is a lab's merged file, with a context for each cluster.
func (e *Executable) Kubeconfig(lab string) string {
	return filepath.Join(e.LabDir(lab), "kubeconfig")
}

// Result is what a command left behind.
type Result struct {
	Stdout []byte
	Took   time.Duration
}

// grace is how long an interrupted command has to come to an end.
const grace = time.Minute

// Run runs a command to its end; when ctx ends before that, it is interrupted as by
// Ctrl-C. An error holds what the command wrote to standard error, and the result
// stands beside it.
func (e *Executable) Run(ctx context.Context, args ...string) (Result, error) {
	cmd := exec.CommandContext(ctx, e.Path, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = grace
	cmd.Env = e.Environment()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	err := cmd.Run()
	r := Result{Stdout: stdout.Bytes(), Took: time.Since(began)}
	if err != nil {
		err = fmt.Errorf("meshwright %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return r, err
}
