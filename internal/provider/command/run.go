package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/meshwright/meshwright/internal/process"
	"github.com/meshwright/meshwright/internal/provider"
)

// The variables in which a command finds what the one before it wrote.
const (
	stdoutVariable = "PULUMI_COMMAND_STDOUT"
	stderrVariable = "PULUMI_COMMAND_STDERR"
)

// run runs a command line and returns what it wrote. props are the properties
// that decide whether secrets are about.
func (t *twin) run(ctx context.Context, urn resource.URN, line string, a args, before output, props resource.PropertyMap, seconds float64) (output, error) {
	ctx, done := t.Operation(ctx)
	defer done()
	if seconds > 0 {
		var cancel context.CancelFunc
		limit := time.Duration(seconds * float64(time.Second))
		ctx, cancel = context.WithTimeoutCause(ctx, limit, fmt.Errorf("it did not end within %s", limit))
		defer cancel()
	}
	argv := a.Interpreter
	if len(argv) == 0 {
		argv = []string{"/bin/sh", "-c"}
	}
	cmd := exec.CommandContext(ctx, argv[0], append(slices.Clone(argv[1:]), line)...)
	if a.Dir != nil {
		cmd.Dir = *a.Dir
	}
	cmd.Env = os.Environ()
	for _, k := range slices.Sorted(maps.Keys(a.Environment)) {
		cmd.Env = append(cmd.Env, k+"="+a.Environment[k])
	}
	if a.AddPreviousOutputInEnv == nil || *a.AddPreviousOutputInEnv {
		for name, v := range map[string]resource.PropertyValue{stdoutVariable: before.stdout, stderrVariable: before.stderr} {
			if s := provider.Text(v); s != "" {
				cmd.Env = append(cmd.Env, name+"="+s)
			}
		}
	}
	if a.Stdin != nil && *a.Stdin != "" {
		cmd.Stdin = strings.NewReader(*a.Stdin)
	}

	secret := props.ContainsSecrets()
	logging := "stdoutAndStderr"
	if a.Logging != nil {
		logging = *a.Logging
	} else if secret {
		logging = "none"
	}
	var stdout, stderr, both bytes.Buffer
	var mu sync.Mutex // orders both, which two goroutines write
	streams := func(buf *bytes.Buffer, logged bool) io.Writer {
		writers := []io.Writer{buf, &locked{&mu, &both}}
		if logged {
			writers = append(writers, &provider.LineWriter{Line: func(line string) { t.Status(ctx, urn, line) }})
		}
		return io.MultiWriter(writers...)
	}
	cmd.Stdout = streams(&stdout, logging == "stdout" || logging == "stdoutAndStderr")
	cmd.Stderr = streams(&stderr, logging == "stderr" || logging == "stdoutAndStderr")
	// A command may leave something behind that holds its output open.
	cmd.WaitDelay = 2 * time.Second

	err := process.Run(cmd, syscall.SIGKILL)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it ended well and left something behind, as a daemon does
	}
	if err != nil {
		if secret && logging == "none" {
			return output{}, fmt.Errorf("%w: running a command of %s; an input is secret, so neither it nor its output is shown: set logging to see them", err, urn.Name())
		}
		return output{}, fmt.Errorf("%w: running %q:\n%s", err, line, both.String())
	}
	return output{
		resource.NewStringProperty(strings.TrimSuffix(stdout.String(), "\n")),
		resource.NewStringProperty(strings.TrimSuffix(stderr.String(), "\n")),
	}, nil
}

// locked serialises writes.
type locked struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
