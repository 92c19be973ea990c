// Package engine runs the Pulumi CLI for the Automation API. It owns the choice of
// the CLI, its home, the environment in which it runs, the way it is started and
// cancelled, and what of its errors a person can use. What it is run for is the
// business of its callers.
package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/blang/semver"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/process"
	"github.com/meshwright/meshwright/report"
)

// Parallel is how many resources the engine works on at a time. Most of them
// only wait for a cluster, so the number of processors is no measure.
const Parallel = 64

// How long the engine gets: to end after an interrupt, and after the second
// one. With the providers' own grace they keep cancellation within five
// seconds.
const (
	interruptGrace = 2500 * time.Millisecond
	terminateGrace = 800 * time.Millisecond
)

// drainGrace is how long the engine's output may take to arrive after the engine has
// ended. On an overloaded machine a second is not enough.
const drainGrace = 30 * time.Second

// minimum is the oldest Pulumi CLI that can destroy with an inline
// program and stream events over gRPC.
var minimum = semver.MustParse("3.206.0")

// Engine is a Pulumi CLI. Other than the Automation API's own runner it keeps the
// terminal's Ctrl-C and the user's PULUMI_* variables away from the CLI, and lets no
// child outlive this process.
type Engine struct {
	// KeepEnv passes on the user's PULUMI_* variables but the passphrase: the
	// backend is theirs.
	KeepEnv bool
	// Selected says that the stack is known to exist, so that selecting it,
	// which changes nothing else, need not start the CLI.
	Selected bool
	// Blind says that the stack's outputs are not read.
	Blind bool
	// Log hears of every run. It must not be nil.
	Log *slog.Logger

	path    string
	version semver.Version
}

// Find takes the kit's pulumi, else the one on PATH.
func Find(ctx context.Context, kitDir string, log *slog.Logger) (*Engine, error) {
	if set, err := artifacts.Load(kitDir); err == nil {
		if path, err := set.BinaryPath("pulumi"); err == nil && Executable(path) {
			if v, err := semver.ParseTolerant(set.Binaries["pulumi"].Version); err == nil {
				return &Engine{path: path, version: v, Log: log}, nil
			}
		}
	}
	buildKit := report.Remedy{Text: "or build the kit", Operation: report.OperationBuildKit}
	path := filepath.Join(kitDir, "bin", "pulumi")
	if !Executable(path) {
		var err error
		if path, err = exec.LookPath("pulumi"); err != nil {
			return nil, report.WithRemedies(errors.New("no pulumi command: install Pulumi and put it on PATH"), buildKit)
		}
	}
	cmd := exec.CommandContext(ctx, path, "version") //nolint:gosec // the engine is chosen above
	cmd.Env = append(cleanEnv(os.Environ(), "PULUMI_"), "PULUMI_SKIP_UPDATE_CHECK=true")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s version: %w", path, err)
	}
	v, err := semver.ParseTolerant(strings.TrimSpace(string(out)))
	if err != nil {
		return nil, fmt.Errorf("%s version: %w", path, err)
	}
	if v.LT(minimum) {
		return nil, report.WithRemedies(fmt.Errorf("%s is version %s; at least %s is needed: update Pulumi", path, v, minimum), buildKit)
	}
	return &Engine{path: path, version: v, Log: log}, nil
}

// Path is the CLI's.
func (e *Engine) Path() string { return e.path }

// Environment is the setting in which any Pulumi engine finds the stacks of a backend,
// a URL, with the home that MakeHome made.
func Environment(backend, passphraseFile, home string) map[string]string {
	return map[string]string{
		"PULUMI_BACKEND_URL":                          backend,
		"PULUMI_CONFIG_PASSPHRASE_FILE":               passphraseFile,
		"PULUMI_HOME":                                 home,
		"PULUMI_SKIP_UPDATE_CHECK":                    "true",
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
	}
}

// MakeHome creates a home for the CLI. In each run the CLI writes a log of its greatest
// verbosity into a directory there, which takes a quarter of the time of a preview
// without changes and has no option to disable it. A file in the place of that
// directory prevents it.
func MakeHome(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, "logs"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// Executable reports whether there is a file at path that can be executed.
func Executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// cleanEnv drops the user's variables with the prefix: another project's stack,
// passphrase or backend must not reach the lab's engine.
func cleanEnv(env []string, prefix string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool { return strings.HasPrefix(kv, prefix) })
}

// Version implements auto.PulumiCommand.
func (e *Engine) Version() semver.Version { return e.version }

// Run implements auto.PulumiCommand. When ctx ends it interrupts the engine, interrupts
// it again and kills it, so that it returns within five seconds, without the output.
func (e *Engine) Run(ctx context.Context, dir string, stdin io.Reader, stdouts, stderrs []io.Writer, env []string, args ...string) (string, string, int, error) {
	if err := ctx.Err(); err != nil {
		return "", "", -1, err
	}
	if answer, ok := e.known(args); ok {
		return answer, "", 0, nil
	}
	began := time.Now()
	defer func() {
		e.Log.Debug("pulumi "+strings.Join(args, " "), "took", time.Since(began).Round(time.Millisecond))
	}()
	if !slices.Contains(args, "--non-interactive") {
		args = append([]string{"--non-interactive"}, args...)
	}
	// The CLI would create files that everyone can read; its state is private.
	cmd := exec.Command("/bin/sh", append([]string{"-c", `umask 077 && exec "$0" "$@"`, e.path}, args...)...) //nolint:gosec // arguments come from the Automation API
	cmd.Dir = dir
	foreign := "PULUMI_"
	if e.KeepEnv {
		foreign = "PULUMI_CONFIG_PASSPHRASE" // the lab has its own
	}
	// The user's environment may override GOGC. With Go's default a tenth of the
	// engine's few seconds goes into garbage collection.
	cmd.Env = slices.Concat([]string{"GOGC=400"}, cleanEnv(os.Environ(), foreign), env, []string{
		"PULUMI_AUTOMATION_API=true",
		"PATH=" + filepath.Dir(e.path) + string(os.PathListSeparator) + os.Getenv("PATH"),
	})
	var stdout, stderr bytes.Buffer
	cmd.Stdin = stdin
	cmd.Stdout = io.MultiWriter(append(slices.Clone(stdouts), &stdout)...)
	cmd.Stderr = io.MultiWriter(append(slices.Clone(stderrs), &stderr)...)
	cmd.SysProcAttr = process.Group(syscall.SIGKILL)
	cmd.WaitDelay = drainGrace

	started, done := make(chan error, 1), make(chan error, 1)
	go func() {
		// The kernel sends the parent-death signal when the thread that made
		// the child ends, so that thread has to stay until the child is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			done <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return "", "", -1, fmt.Errorf("start %s: %w", e.path, err)
	}
	err := e.wait(ctx, cmd, done)
	if ctx.Err() != nil {
		return "", "", -1, errors.Join(context.Cause(ctx), err)
	}
	if err != nil && slices.Contains(args, "--show-secrets") {
		stdout.Reset() // the API makes it part of its error
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode(), err
}

// known answers commands of the Automation API whose output is known or not used
// here. Each saves a start of the CLI, a quarter of a second.
func (e *Engine) known(args []string) (string, bool) {
	switch {
	case len(args) < 2 || args[0] != "stack":
	case args[1] == "select" && e.Selected:
		return "", true
	case args[1] == "history": // the event stream has it all
		return "[]", true
	case args[1] == "output" && (e.Blind || !slices.Contains(args, "--show-secrets")):
		// The API asks only to mark secret outputs; every reader here knows that
		// the kubeconfigs are secret.
		return "{}", true
	}
	return "", false
}

func (e *Engine) wait(ctx context.Context, cmd *exec.Cmd, done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	for _, grace := range []time.Duration{interruptGrace, terminateGrace} {
		_ = cmd.Process.Signal(os.Interrupt) // gone already: Wait says so
		select {
		case err := <-done:
			return err
		case <-time.After(grace):
		}
	}
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	select {
	case err := <-done:
		return err
	case <-time.After(terminateGrace): // another process holds on to its output
		return errors.New("the engine was killed")
	}
}
