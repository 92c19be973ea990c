package kind

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/meshwright/meshwright/internal/process"
	"github.com/meshwright/meshwright/internal/provider"
)

// networkVariable is how kind is told its Docker network.
const networkVariable = "KIND_EXPERIMENTAL_DOCKER_NETWORK"

// job is one run of kind's create.
type job struct {
	spec  spec
	env   []string     // settings over this process's own, "KEY=value"
	line  func(string) // takes each line of output
	abort func()       // removes what was made so far, so that kind fails; may be called repeatedly
}

// runner runs a job until it is done or ctx ends, and leaves nothing running.
type runner func(ctx context.Context, j job) error

// contrary are settings of the environment that would send kind elsewhere.
var contrary = []string{"DOCKER_CONTEXT", "KUBECONFIG", "KIND_CLUSTER_NAME", "KIND_EXPERIMENTAL_PROVIDER"}

// runChild returns a runner that starts executable as a child for every job.
func runChild(executable string) runner {
	return func(ctx context.Context, j job) error {
		input, err := json.Marshal(j.spec)
		if err != nil {
			return err
		}
		// The write end stays open until the child is done: its end tells the
		// child that we are gone.
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		defer w.Close()
		cmd := exec.CommandContext(ctx, executable, ChildArg)
		// Under a plugin's name the executable would serve as that plugin.
		cmd.Args[0] = "meshwright"
		cmd.Env = append(environ(), j.env...)
		cmd.Stdin = r
		out := j.writer()
		cmd.Stdout, cmd.Stderr = out, out
		cmd.WaitDelay = 3 * time.Second
		go func() { _, _ = w.Write(append(input, '\n')) }()
		// SIGTERM lets the child take its group with it.
		err = process.Run(cmd, syscall.SIGTERM)
		_ = r.Close()
		out.Flush()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("the meshwright executable for the child: %w; build it: make build", err)
		}
		return err
	}
}

// environ is this process's environment without what would mislead kind.
func environ() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(contrary, name)
	})
}

// here lets one create run in this process at a time: kind reads settings from
// the environment, which all share.
var here sync.Mutex

// runHere runs a job in this process. kind cannot be stopped; when ctx ends, its
// nodes are taken away from it until it fails.
func runHere(ctx context.Context, j job) error {
	here.Lock()
	defer here.Unlock()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, name := range contrary {
		defer restore(name)()
		_ = os.Unsetenv(name)
	}
	for _, kv := range j.env {
		name, value, _ := strings.Cut(kv, "=")
		defer restore(name)()
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	done := make(chan error, 1)
	go func() {
		defer func() { // nothing else would keep the panic from ending the process
			if v := recover(); v != nil {
				done <- fmt.Errorf("kind panicked: %v\n%s", v, debug.Stack())
			}
		}()
		done <- create(j.spec, lineLogger{j.writer()})
	}()
	select {
	case err := <-done:
		return cmp.Or(context.Cause(ctx), err)
	case <-ctx.Done():
	}
	for {
		j.abort()
		select {
		case <-done:
			return context.Cause(ctx)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func restore(name string) func() {
	value, ok := os.LookupEnv(name)
	return func() {
		if ok {
			_ = os.Setenv(name, value)
		} else {
			_ = os.Unsetenv(name)
		}
	}
}

// writer passes each line that is written to it on, without blanks around it.
func (j job) writer() *provider.LineWriter {
	return &provider.LineWriter{Line: func(s string) {
		if s = strings.TrimSpace(s); s != "" {
			j.line(s)
		}
	}}
}
