package setup

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/meshwright/meshwright/internal/docker/dockertest"
)

// processesNaming returns the processes in whose arguments a path occurs: here
// dockerd, containerd and the shims of one test's directory.
func processesNaming(t *testing.T, path string) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(data), path+"/") {
			continue // most are gone meanwhile or another's
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	if len(pids) < 3 {
		t.Fatalf("daemon, containerd and shim expected, found %v", pids)
	}
	return pids
}

// TestDaemonLife starts a real daemon of its own beside whatever the machine has,
// and kills and hangs it. The daemon lives in a network namespace of its own:
// without a bridge it would delete docker0, and with one it would take it over.
func TestDaemonLife(t *testing.T) {
	required := os.Getenv("MESHWRIGHT_REQUIRE_DOCKER") == "1"
	if _, err := lookPath("dockerd"); os.Getuid() != 0 || err != nil {
		t.Skip("needs root and dockerd; where an ordinary Docker is used, no daemon is ever started")
	}
	// Its own directory, because a socket's path may have 107 bytes only.
	root, err := os.MkdirTemp("/tmp", "mw")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"/proc", "/sys"} {
		if err := os.Symlink(dir, filepath.Join(root, dir)); err != nil {
			t.Fatal(err)
		}
	}
	old := hungTimeout
	hungTimeout = 3 * time.Second
	m := Machine{
		root:     root,
		settings: map[string]any{"bridge": "none", "iptables": false, "ip6tables": false},
		isolate:  func(a *syscall.SysProcAttr) { a.Cloneflags |= syscall.CLONE_NEWNET },
	}
	// What the machine itself forwards and filters is not this daemon's.
	boot, err := m.boot()
	if err != nil {
		t.Fatal(err)
	}
	record := Record{Version: recordVersion, Network: &Network{Boot: boot, Bridge: true}}
	if forwarding, err := m.readSysctl("net.ipv4.ip_forward"); err != nil || forwarding != "1" {
		t.Skipf("forwarding is off, and only the machine's own set-up may turn it on: %v", err)
	}
	bridge := m.bridge()
	t.Cleanup(func() {
		if m.bridge() != bridge {
			t.Errorf("the machine's own docker0: it was there %t, and is now %t", bridge, m.bridge())
		}
	})
	t.Cleanup(func() {
		hungTimeout = old
		if daemon, running := m.findDaemon(record); running {
			// The test's own context has ended by now.
			if err := m.stop(context.Background(), daemon, 5*time.Second); err != nil {
				t.Error(err)
			}
		}
		if err := m.removeTree(root); err != nil {
			t.Error(err)
		}
	})

	stage := func() (done, skipped string) {
		t.Helper()
		daemon, running := m.findDaemon(record)
		p := &plan{m: m, daemon: daemon, running: running}
		done, skipped, err := p.daemonStage(t.Context(), &record, nil)
		if err != nil {
			if !required && strings.Contains(err.Error(), "not permitted") {
				t.Skipf("this machine lets nobody start a daemon: %v", err)
			}
			t.Fatal(err)
		}
		if _, err := m.client().Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		return done, skipped
	}
	if done, _ := stage(); !strings.HasPrefix(done, "started") {
		t.Fatalf("first: %q", done)
	}
	first := record.Daemon
	if info, err := os.Stat(m.socket()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket's mode is %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(filepath.Dir(m.socket())); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("its directory's mode is %v, %v", info.Mode(), err)
	}
	image := dockertest.Image(t, m.client())

	if _, skipped := stage(); skipped == "" || record.Daemon != first {
		t.Errorf("a healthy daemon is not reused: %+v", record.Daemon)
	}

	record.Daemon = Process{} // set-up was killed before it could write
	if _, skipped := stage(); skipped == "" || record.Daemon != first {
		t.Errorf("an unrecorded daemon is not adopted: %+v", record.Daemon)
	}

	// Privileged, with a container that runs while the daemon is killed.
	if _, err := m.client().Run(t.Context(), "run", "--detach", "--privileged", "--network", "none", "--name", "left-over", image, "/t", "wait"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(first.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for m.alive(first) {
		time.Sleep(10 * time.Millisecond)
	}
	if err := os.WriteFile(m.pidFile(), []byte("1"), 0o600); err != nil { // as when ids were used again
		t.Fatal(err)
	}
	if done, _ := stage(); !strings.HasPrefix(done, "started") {
		t.Errorf("after SIGKILL: %q", done)
	}
	second := record.Daemon
	if _, err := m.client().Image(t.Context(), image); err != nil {
		t.Errorf("its images are lost: %v", err)
	}
	if err := m.client().Remove(t.Context(), "left-over"); err != nil {
		t.Errorf("its leftover container cannot be removed: %v", err)
	}

	// Everything at once, as when a machine's session is killed.
	if _, err := m.client().Run(t.Context(), "run", "--detach", "--network", "none", "--name", "killed", image, "/t", "wait"); err != nil {
		t.Fatal(err)
	}
	killed, err := m.client().Container(t.Context(), "killed")
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range append(processesNaming(t, m.root), killed.State.Pid) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
	}
	for m.alive(second) {
		time.Sleep(10 * time.Millisecond)
	}
	if done, _ := stage(); !strings.HasPrefix(done, "started") {
		t.Errorf("after everything was killed: %q", done)
	}
	if c, err := m.client().Container(t.Context(), "killed"); err != nil || c.State.Running {
		t.Errorf("a killed container is said to run: %+v, %v", c, err)
	}
	if err := m.client().Remove(t.Context(), "killed"); err != nil {
		t.Errorf("it cannot be removed: %v", err)
	}

	second = record.Daemon
	if err := syscall.Kill(second.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if done, _ := stage(); !strings.HasPrefix(done, "started") || m.alive(second) {
		t.Errorf("a hung daemon is not replaced: %q", done)
	}

	if note, err := m.cleanDaemon(t.Context(), record); err != nil || !strings.HasPrefix(note, "stopped") {
		t.Errorf("clean: %q, %v", note, err)
	}
	if m.alive(record.Daemon) {
		t.Error("it runs on")
	}
	if _, err := m.cleanData(t.Context(), record); err != nil {
		t.Error(err)
	}
	for _, dir := range []string{"/var/lib/meshwright", "/run/meshwright"} {
		if _, err := os.Stat(m.path(dir)); err == nil {
			t.Errorf("%s stays", dir)
		}
	}
}
