package setup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/paths"
)

// before are `iptables -S` of a machine; after, what Docker 20.10 makes of them.
var (
	before = Rules{
		"nat":    {"-P PREROUTING ACCEPT", "-A POSTROUTING -o eth0 -j MASQUERADE"},
		"filter": {"-P INPUT ACCEPT", "-P FORWARD ACCEPT", "-N DOCKERS-OWN", "-A INPUT -i docker0 -j ACCEPT", "-A DOCKERS-OWN -j RETURN"},
	}
	after = Rules{
		"nat": {
			"-P PREROUTING ACCEPT", "-N DOCKER", "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
			"-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE", "-A POSTROUTING -o eth0 -j MASQUERADE", "-A DOCKER -i docker0 -j RETURN",
		},
		"filter": {
			"-P INPUT ACCEPT", "-P FORWARD DROP", "-N DOCKER", "-N DOCKER-USER", "-N DOCKERS-OWN", "-A INPUT -i docker0 -j ACCEPT",
			"-A FORWARD -j DOCKER-USER", "-A FORWARD -o docker0 -j DOCKER", "-A DOCKER-USER -j RETURN", "-A DOCKERS-OWN -j RETURN",
		},
	}
)

// TestRemoveRules: what dockerd made goes, what others made stays, before it and since.
func TestRemoveRules(t *testing.T) {
	plain := []string{
		"-t nat -D PREROUTING -m addrtype --dst-type LOCAL -j DOCKER", "-t nat -D POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
		"-t nat -F DOCKER", "-t nat -X DOCKER",
	}
	for name, tc := range map[string]struct {
		since []string // rules of the filter table
		want  []string // commands for it
		left  []string
	}{
		"nothing since": {want: []string{
			"-t filter -D FORWARD -j DOCKER-USER", "-t filter -D FORWARD -o docker0 -j DOCKER",
			"-t filter -F DOCKER", "-t filter -F DOCKER-USER", "-t filter -X DOCKER", "-t filter -X DOCKER-USER", "-P FORWARD ACCEPT",
		}},
		"rules of dockerd's networks": {since: []string{"-A DOCKER -d 172.17.0.2/32 -j ACCEPT"}, want: []string{
			"-t filter -D FORWARD -j DOCKER-USER", "-t filter -D FORWARD -o docker0 -j DOCKER",
			"-t filter -F DOCKER", "-t filter -F DOCKER-USER", "-t filter -X DOCKER", "-t filter -X DOCKER-USER", "-P FORWARD ACCEPT",
		}},
		"the user's rules": {since: []string{"-A DOCKER-USER -s 10.9.0.0/16 -j DROP", "-A FORWARD -i docker0 -o vpn0 -j DROP"}, want: []string{
			"-t filter -D FORWARD -o docker0 -j DOCKER", "-t filter -F DOCKER", "-t filter -X DOCKER", "-P FORWARD ACCEPT",
		}, left: []string{"DOCKER-USER"}},
		"another's jump": {since: []string{"-A DOCKERS-OWN -j DOCKER"}, want: []string{
			"-t filter -D FORWARD -j DOCKER-USER", "-t filter -F DOCKER-USER", "-t filter -X DOCKER-USER", "-P FORWARD ACCEPT",
		}, left: []string{"DOCKER"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := fakeMachine(t, nil)
			var commands []string
			m.exec = func(_ context.Context, _ []string, _ string, args ...string) ([]byte, error) {
				switch command := strings.TrimPrefix(strings.Join(args, " "), "-w 10 "); command {
				case "-t nat -S":
					return []byte(strings.Join(after["nat"], "\n") + "\n"), nil
				case "-t filter -S":
					return []byte(strings.Join(append(slices.Clone(after["filter"]), tc.since...), "\n") + "\n"), nil
				default:
					commands = append(commands, command)
				}
				return nil, nil
			}
			left, err := m.removeRules(t.Context(), Network{ForwardPolicy: "ACCEPT", Made: after.without(before)})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(append(slices.Clone(plain), tc.want...), commands); diff != "" {
				t.Errorf("commands (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.left, left); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
		})
	}
}

// TestLabsStopClean, whether their Docker answers or not.
func TestLabsStopClean(t *testing.T) {
	home := t.TempDir()
	t.Setenv("XDG_STATE_HOME", filepath.Join(home, "state"))
	t.Setenv("XDG_CACHE_HOME", filepath.Join(home, "cache"))
	t.Setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
	passphrase := paths.Lab("dev") + "/passphrase"
	m := fakeMachine(t, map[string]string{passphrase: "secret", paths.Cache() + "/renders/x": "", "/proc/self/mountinfo": ""})
	kit := false
	_, err := m.clean(t.Context(), CleanOptions{Kit: func(context.Context) (string, error) { kit = true; return "", nil }})
	var exist *LabsExistError
	if !errors.As(err, &exist) || !slices.Equal(exist.Labs, []string{"dev"}) || kit {
		t.Errorf("clean: %v; the kit's files went: %t", err, kit)
	}
	for _, path := range []string{passphrase, paths.Cache() + "/renders/x"} {
		if !isThere(m.path(path)) {
			t.Errorf("%s is gone", path)
		}
	}
	if _, err := m.cleanUser(t.Context(), Record{}); !errors.As(err, &exist) {
		t.Errorf("cleanUser: %v", err)
	}
	if err := os.RemoveAll(m.path(paths.Lab("dev"))); err != nil {
		t.Fatal(err)
	}
	if _, err := m.clean(t.Context(), CleanOptions{}); err != nil {
		t.Error(err)
	}
}

// TestForeignDaemonIsLeft: it listens at our socket, as the same user, and is not the
// process on record.
func TestForeignDaemonIsLeft(t *testing.T) {
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("set-up starts a daemon on Linux as root only")
	}
	m := fakeMachine(t, map[string]string{bootID: bootA, paths.RuntimeDir + "/x": "", paths.DataDir + "/setup.json": `{"version": 1}`, lockFile: ""})
	m.root = shorten(t, m.root)
	socket, err := net.Listen("unix", m.socket())
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	record := Record{Daemon: Process{PID: 77, Start: 1, Boot: bootA}}
	if m.ours(record) {
		t.Error("the foreign daemon counts as ours")
	}
	_, cleanErr := m.clean(t.Context(), CleanOptions{})
	for name, err := range map[string]error{"clean": cleanErr, "start": m.refuseForeign(record)} {
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d listens at", os.Getpid())) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, path := range []string{m.socket(), m.recordFile()} {
		if !isThere(path) {
			t.Errorf("%s is gone", path)
		}
	}
	// The process on record.
	self := fmt.Sprintf("/proc/%d/stat", os.Getpid())
	writeTree(t, m, map[string]string{self: stat(os.Getpid(), "dockerd", "S", 4200)})
	record.Daemon = Process{PID: os.Getpid(), Start: 4200, Boot: bootA}
	if err := m.refuseForeign(record); err != nil || !m.ours(record) {
		t.Errorf("the process on record: %v", err)
	}
}

// shorten gives a directory a path that fits a socket's address.
func shorten(t *testing.T, dir string) string {
	t.Helper()
	short, err := os.MkdirTemp("", "mw")
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(short, "r")
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	return link
}

func writeTree(t *testing.T, m Machine, files map[string]string) {
	t.Helper()
	for path, content := range files {
		if err := os.MkdirAll(filepath.Dir(m.path(path)), 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, m.path(path), content, 0o600)
	}
}

func TestCleanNetworkLeavesWhatWasThere(t *testing.T) {
	// No command is expected in any of these cases: the fake machine refuses them.
	for name, tc := range map[string]struct{ network *Network }{
		"never started":  {nil},
		"another boot":   {&Network{Boot: bootB}},
		"docker0 before": {&Network{Boot: bootA, Bridge: true}},
	} {
		t.Run(name, func(t *testing.T) {
			m := fakeMachine(t, map[string]string{bootID: bootA})
			if _, err := m.cleanNetwork(t.Context(), Record{Network: tc.network}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMountsBelow(t *testing.T) {
	m := fakeMachine(t, map[string]string{"/data/a/with blank/x": "", "/database/x": "", "/proc/self/mountinfo": ""})
	writeFile(t, m.path("/proc/self/mountinfo"), strings.ReplaceAll(strings.Join([]string{
		`22 1 0:20 / / rw - ext4 /dev/vda rw`,
		`23 22 0:21 / ROOT/data/a rw - overlay overlay rw`,
		`24 23 0:22 / ROOT/data/a/with\040blank rw - tmpfs tmpfs rw`,
		`25 22 0:23 / ROOT/data rw - tmpfs tmpfs rw`,
		`26 22 0:24 / ROOT/database rw - tmpfs tmpfs rw`,
		`27 22 0:25 / ROOT/data/mounted/over rw - tmpfs tmpfs rw`,
	}, "\n"), "ROOT", m.root), 0o600)
	got, err := m.mountsBelow(m.path("/data"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{m.path("/data/a"), m.path("/data/a/with blank")}, got); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
}

// TestRemoveTree: nothing is removed from a tree in which something stays
// mounted, and read-only directories are no obstacle.
func TestRemoveTree(t *testing.T) {
	m := fakeMachine(t, map[string]string{"/cache/mod/file": "", "/proc/self/mountinfo": ""})
	if err := os.Chmod(m.path("/cache/mod"), 0o500); err != nil {
		t.Fatal(err)
	}
	mounted := "30 1 0:9 / " + m.path("/cache/mod") + " rw - tmpfs tmpfs rw\n"
	writeFile(t, m.path("/proc/self/mountinfo"), mounted, 0o600)
	if err := m.removeTree(m.path("/cache")); err == nil {
		t.Error("a tree with a mount in it is removed")
	}
	if _, err := os.Stat(m.path("/cache/mod/file")); err != nil {
		t.Error("the data behind the mount is gone")
	}
	writeFile(t, m.path("/proc/self/mountinfo"), "", 0o600)
	for range 2 {
		if err := m.removeTree(m.path("/cache")); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(m.path("/cache")); err == nil {
		t.Error("the tree stays")
	}
}

// TestCleanUser removes what we made in a user's directories.
func TestCleanUser(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	t.Setenv("XDG_STATE_HOME", filepath.Join(dir, "state"))
	for _, path := range []string{"cache/meshwright/programs/x", "cache/meshwright/notes", "state/meshwright/labs/dev.lock", "state/meshwright/images.lock.json", "cache/other/kept"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, path), "", 0o600)
	}
	cleaned, err := Machine{}.cleanUser(t.Context(), Record{})
	if err != nil || !strings.Contains(cleaned, "removed "+paths.State()) || !strings.Contains(cleaned, "emptied "+paths.Cache()) {
		t.Errorf("%q, %v", cleaned, err)
	}
	for path, want := range map[string]bool{"cache/meshwright/programs": false, "cache/meshwright/notes": true, "state/meshwright": false, "cache/other/kept": true} {
		if _, err := os.Stat(filepath.Join(dir, path)); (err == nil) != want {
			t.Errorf("%s: there is %t, want %t", path, err == nil, want)
		}
	}
}
