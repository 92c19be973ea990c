package setup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/internal/ui"
)

// hungTimeout is how long a running daemon of ours may stay silent before it is
// replaced. Tests shorten it.
var hungTimeout = 30 * time.Second

const (
	// startTimeout bounds the wait for a new daemon's first answer; it took 2 s
	// on two busy cores, and longer when it has containers to restore.
	startTimeout = 90 * time.Second
	// stopTimeout bounds the stop of a daemon, which stops its containers first.
	stopTimeout = 60 * time.Second
)

// daemonConfig returns the content of the daemon's configuration file. With
// wrap, containers run through our OCI runtime wrapper.
func (m Machine) daemonConfig(wrap bool) ([]byte, error) {
	config := map[string]any{
		"data-root": m.dataRoot(),
		"exec-root": m.execRoot(),
		"pidfile":   m.pidFile(),
		"hosts":     []string{"unix://" + m.socket()},
		"group":     "root", // of the socket; await makes it 0600
		// There is no systemd to delegate cgroups to where we start a daemon.
		"exec-opts": []string{"native.cgroupdriver=cgroupfs"},
		// kind needs a node's log until the node is up; a lab may run for weeks.
		"log-driver": "json-file",
		"log-opts":   map[string]string{"max-size": "20m", "max-file": "2"},
	}
	if wrap {
		config["runtimes"] = map[string]any{"meshwright": map[string]string{"path": m.runtimeFile()}}
		config["default-runtime"] = "meshwright"
	}
	maps.Copy(config, m.settings)
	data, err := json.MarshalIndent(config, "", "  ")
	return append(data, '\n'), err
}

// configure writes the daemon's files and says whether containers will run
// through the wrapper.
func (m Machine) configure() (wrap bool, err error) {
	if wrap, err = m.needsWrapper(); err != nil {
		return false, err
	}
	// Others may pass through the data directory (0711), as with Docker's own,
	// but only root reaches the socket.
	for dir, mode := range map[string]os.FileMode{paths.DataDir: 0o711, paths.RuntimeDir: 0o700} {
		if err := os.MkdirAll(m.path(dir), mode); err != nil {
			return false, err
		}
		if err := os.Chmod(m.path(dir), mode); err != nil {
			return false, err
		}
	}
	config, err := m.daemonConfig(wrap)
	if err != nil {
		return false, err
	}
	if err := writeFileAtomic(m.configFile(), config, 0o644); err != nil {
		return false, err
	}
	if !wrap {
		return false, nil
	}
	runc, err := lookPath("runc")
	if err != nil {
		return false, fmt.Errorf("no OCI runtime to wrap: %w\nrun: apt-get install runc", err)
	}
	return true, writeFileAtomic(m.runtimeFile(), []byte(runtimeScript(runc)), 0o755)
}

// findDaemon returns the running dockerd that is ours: the recorded one, or one
// that a set-up started and was killed before it could record it, which is
// recognised by our configuration file among its arguments.
func (m Machine) findDaemon(r Record) (Process, bool) {
	if m.alive(r.Daemon) {
		return r.Daemon, true
	}
	pid := readPID(m.pidFile())
	if pid == 0 || !slices.Contains(m.command(pid), m.configFile()) {
		return Process{}, false
	}
	p, err := m.identify(pid)
	return p, err == nil
}

// ours reports whether the process that listens at our daemon's socket is our daemon. Its
// user says nothing: anybody's daemon runs as root.
func (m Machine) ours(r Record) bool {
	daemon, running := m.findDaemon(r)
	pid, err := listener(m.socket())
	return err == nil && running && pid == daemon.PID
}

// refuseForeign fails when another process than our daemon listens at its socket: neither
// the socket nor what that process has may be touched.
func (m Machine) refuseForeign(r Record) error {
	pid, err := listener(m.socket())
	if err != nil {
		return fmt.Errorf("who listens at %s: %w", m.socket(), err)
	}
	if daemon, running := m.findDaemon(r); pid == 0 || running && pid == daemon.PID {
		return nil
	}
	return fmt.Errorf("process %d listens at %s and is not the daemon that set-up started; nothing was changed\nlook at it with: ps -fp %d, and stop it or give it another socket", pid, m.socket(), pid)
}

// start starts a daemon that outlives us, in a session of its own so that no
// Ctrl-C reaches it, and waits until it answers. The daemon is recorded before
// the wait.
func (m Machine) start(ctx context.Context, r *Record, step *ui.Step) error {
	dockerd, err := lookPath("dockerd")
	if err != nil {
		return fmt.Errorf("%w\nrun: apt-get install docker.io", err)
	}
	if err := m.clearStale(); err != nil {
		return err
	}
	if err := m.clearFormerBoot(*r); err != nil {
		return err
	}
	log, err := m.openLog()
	if err != nil {
		return err
	}
	defer log.Close()
	// Not CommandContext: the daemon must not end with this command's context.
	cmd := exec.Command(dockerd, "--config-file", m.configFile()) //nolint:gosec,noctx // our own file
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = daemonEnv(os.Environ())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if m.isolate != nil {
		m.isolate(cmd.SysProcAttr)
	}
	offset, err := log.Seek(0, 2)
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting dockerd: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if r.Daemon, err = m.identify(cmd.Process.Pid); err == nil {
		err = m.writeRecord(*r)
	}
	if err != nil {
		return errors.Join(err, cmd.Process.Signal(syscall.SIGTERM))
	}
	step.Update(fmt.Sprintf("process %d, log in %s", cmd.Process.Pid, m.logFile()))
	if err := m.await(ctx, startTimeout, ended); err != nil {
		return fmt.Errorf("dockerd did not come up: %w\n%s\nits whole log is %s", err, logSince(m.logFile(), offset), m.logFile())
	}
	return nil
}

// client returns a client of our daemon.
func (m Machine) client() *docker.Client { return docker.New("unix://" + m.socket()) }

// await waits until our daemon answers. It gives up early when the process
// behind the channel ends; a nil channel never does.
func (m Machine) await(ctx context.Context, timeout time.Duration, ended <-chan error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %s", timeout))
	defer cancel()
	var last error
	for {
		if _, last = m.client().Ping(ctx); last == nil {
			return os.Chmod(m.socket(), 0o600)
		}
		select {
		case err := <-ended:
			if err == nil {
				err = errors.New("it ended")
			}
			return err
		case <-ctx.Done():
			return fmt.Errorf("%w (last: %w)", context.Cause(ctx), last)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// clearStale removes what a killed daemon left. dockerd refuses to start when the
// process id in its pid file, or in its containerd's, belongs to any process. Call it
// only while no daemon of ours runs.
func (m Machine) clearStale() error {
	var errs []error
	containerd := m.execRoot() + "/containerd"
	for _, path := range []string{m.pidFile(), containerd + "/containerd.pid"} {
		pid := readPID(path)
		// A containerd of our dockerd that has outlived it has our configuration file.
		if p, err := m.identify(pid); err == nil && slices.Contains(m.command(pid), containerd+"/containerd.toml") {
			errs = append(errs, m.stop(context.Background(), p, 10*time.Second))
		}
		errs = append(errs, removeIfThere(path))
	}
	for _, path := range []string{
		m.socket(), containerd + "/containerd.sock", containerd + "/containerd.sock.ttrpc", containerd + "/containerd-debug.sock",
	} {
		errs = append(errs, removeIfThere(path))
	}
	return errors.Join(errs...)
}

// clearFormerBoot removes the exec root of a daemon of another boot, where /run
// outlives a boot: it lists containers that no longer run.
func (m Machine) clearFormerBoot(r Record) error {
	boot, err := m.boot()
	if err != nil || r.Daemon.Boot == "" || r.Daemon.Boot == boot {
		return err
	}
	return m.removeTree(m.execRoot())
}

// stop asks a process to end and kills it after the grace time. It returns when
// the process is gone. Each signal is preceded by a check that it is the same
// process still.
func (m Machine) stop(ctx context.Context, p Process, grace time.Duration) error {
	for _, attempt := range []struct {
		signal syscall.Signal
		grace  time.Duration
	}{{syscall.SIGTERM, grace}, {syscall.SIGKILL, 10 * time.Second}} {
		if !m.alive(p) {
			return nil
		}
		if err := syscall.Kill(p.PID, attempt.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("process %d: %w", p.PID, err)
		}
		deadline := time.Now().Add(attempt.grace)
		for m.alive(p) && time.Now().Before(deadline) {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	if m.alive(p) {
		return fmt.Errorf("process %d does not end, even when killed\nlook at it with: ps -fp %d", p.PID, p.PID)
	}
	return nil
}

// daemonEnv is our environment without settings of Docker's clients and without
// secrets, which would stay in the daemon's environment for as long as it runs.
func daemonEnv(env []string) []string {
	keep := []string{"PATH", "HOME", "LANG", "TZ", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"}
	kept := slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return !slices.Contains(keep, name)
	})
	return append(kept, "PATH="+os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin:/sbin")
}

// openLog opens the daemon's log for appending. A log that has grown large is
// kept once, as docker.log.1.
func (m Machine) openLog() (*os.File, error) {
	const large = 20 << 20
	if info, err := os.Stat(m.logFile()); err == nil && info.Size() > large {
		if err := os.Rename(m.logFile(), m.logFile()+".1"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(m.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}

// logSince returns the last lines that were written to a log after an offset.
func logSince(path string, offset int64) string {
	data, err := os.ReadFile(path)
	if err != nil || offset > int64(len(data)) {
		return ""
	}
	return lastLines(string(data[offset:]), 15)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
