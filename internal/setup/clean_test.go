package setup

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/docker"
)

// rulesFilter and rulesNAT are `iptables -S` of a machine on which Docker 20.10
// ran, with three rules of somebody else's.
const (
	rulesFilter = `-P INPUT ACCEPT
-P FORWARD DROP
-P OUTPUT ACCEPT
-N DOCKER
-N DOCKER-ISOLATION-STAGE-1
-N DOCKER-USER
-N DOCKERS-OWN
-A INPUT -i eth0 -p tcp -j ACCEPT
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker01 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKERS-OWN -j RETURN
`
	rulesNAT = `-P PREROUTING ACCEPT
-N DOCKER
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
`
)

func TestRemoveDockerRules(t *testing.T) {
	m := fakeMachine(t, nil)
	var commands []string
	m.exec = func(_ context.Context, _ []string, _ string, args ...string) ([]byte, error) {
		command := strings.TrimPrefix(strings.Join(args, " "), "-w 10 ")
		switch command {
		case "-t nat -S":
			return []byte(rulesNAT), nil
		case "-t filter -S":
			return []byte(rulesFilter), nil
		}
		commands = append(commands, command)
		return nil, nil
	}
	if err := m.removeDockerRules(t.Context(), "ACCEPT"); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"-t nat -D PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
		"-t nat -D POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
		"-t nat -F DOCKER",
		"-t nat -X DOCKER",
		"-t filter -D FORWARD -j DOCKER-USER",
		"-t filter -D FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
		"-t filter -D FORWARD -i docker0 ! -o docker0 -j ACCEPT",
		"-t filter -F DOCKER",
		"-t filter -F DOCKER-ISOLATION-STAGE-1",
		"-t filter -F DOCKER-USER",
		"-t filter -X DOCKER",
		"-t filter -X DOCKER-ISOLATION-STAGE-1",
		"-t filter -X DOCKER-USER",
		"-P FORWARD ACCEPT",
	}
	if diff := cmp.Diff(want, commands); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
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

func TestLabOfMount(t *testing.T) {
	for name, tc := range map[string]struct {
		mount docker.Mount
		lab   string
		ours  bool
	}{
		"ours":                {docker.Mount{Source: "/s/labs/dev/owner", Destination: "/etc/meshwright"}, "dev", true},
		"another user's":      {docker.Mount{Source: "/other/labs/dev/owner", Destination: "/etc/meshwright"}, "", false},
		"another destination": {docker.Mount{Source: "/s/labs/dev/owner", Destination: "/x"}, "", false},
		"a path that climbs":  {docker.Mount{Source: "/s/labs/../../x", Destination: "/etc/meshwright"}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			lab, ours := labOfMount(tc.mount, "/s")
			if lab != tc.lab || ours != tc.ours {
				t.Errorf("got %q, %t", lab, ours)
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

// TestCleanUser removes a user's files on a machine that setup never touched.
func TestCleanUser(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	t.Setenv("XDG_STATE_HOME", filepath.Join(dir, "state"))
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(dir, "absent.sock"))
	for _, path := range []string{"cache/meshwright/kit/artifacts.json", "state/meshwright/passphrase", "cache/other/kept"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, path), "", 0o600)
	}
	cleaned, err := Machine{}.cleanUser(t.Context(), Record{})
	if err != nil || !strings.HasPrefix(cleaned, "removed ") {
		t.Errorf("%q, %v", cleaned, err)
	}
	for path, want := range map[string]bool{"cache/meshwright": false, "state/meshwright": false, "cache/other/kept": true} {
		if _, err := os.Stat(filepath.Join(dir, path)); (err == nil) != want {
			t.Errorf("%s: there is %t, want %t", path, err == nil, want)
		}
	}
}
