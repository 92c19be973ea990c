package setup

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeMachine returns a machine whose files are in a temporary directory and
// whose commands are answered by the test.
func fakeMachine(t *testing.T, files map[string]string) Machine {
	t.Helper()
	root := t.TempDir()
	for path, content := range files {
		full := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, full, content, 0o600)
	}
	return Machine{root: root, exec: func(_ context.Context, _ []string, name string, args ...string) ([]byte, error) {
		return nil, fmt.Errorf("unexpected command: %s %s", name, strings.Join(args, " "))
	}}
}

// stat is the content of /proc/PID/stat of a process, as proc(5) describes it.
func stat(pid int, name, state string, start int) string {
	return fmt.Sprintf("%d (%s) %s 1 9 9 0 -1 4194560 2 3 4 5 6 7 8 9 20 0 14 0 %d%s\n", pid, name, state, start, strings.Repeat(" 1", 22))
}

const bootA, bootB = "a0000000-0000-4000-8000-000000000000", "b0000000-0000-4000-8000-000000000000"

func TestAlive(t *testing.T) {
	recorded := Process{PID: 77, Start: 4200, Boot: bootA}
	for name, tc := range map[string]struct {
		files map[string]string
		want  bool
	}{
		"the same": {
			files: map[string]string{"/proc/77/stat": stat(77, "dockerd", "S", 4200), "/proc/sys/kernel/random/boot_id": bootA + "\n"},
			want:  true,
		},
		"a name made to confuse": {
			files: map[string]string{"/proc/77/stat": stat(77, "x) R 1 2 (", "S", 4200), "/proc/sys/kernel/random/boot_id": bootA + "\n"},
			want:  true,
		},
		"gone": {
			files: map[string]string{"/proc/sys/kernel/random/boot_id": bootA + "\n"},
		},
		"the id is another process's now": {
			files: map[string]string{"/proc/77/stat": stat(77, "dockerd", "S", 4201), "/proc/sys/kernel/random/boot_id": bootA + "\n"},
		},
		"same id and start time, another boot": {
			files: map[string]string{"/proc/77/stat": stat(77, "dockerd", "S", 4200), "/proc/sys/kernel/random/boot_id": bootB + "\n"},
		},
		"ended, not yet waited for": {
			files: map[string]string{"/proc/77/stat": stat(77, "dockerd", "Z", 4200), "/proc/sys/kernel/random/boot_id": bootA + "\n"},
		},
		"garbled": {
			files: map[string]string{"/proc/77/stat": "77 dockerd S", "/proc/sys/kernel/random/boot_id": bootA + "\n"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fakeMachine(t, tc.files).alive(recorded); got != tc.want {
				t.Errorf("alive is %t, want %t", got, tc.want)
			}
		})
	}
	if (Machine{}).alive(Process{}) {
		t.Error("the zero process is alive")
	}
}

// TestIdentifySelf reads this very process, in the real /proc.
func TestIdentifySelf(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc here")
	}
	self, err := Machine{}.identify(os.Getpid())
	if err != nil || self.Start == 0 || self.Boot == "" {
		t.Fatalf("%+v, %v", self, err)
	}
	if !(Machine{}).alive(self) {
		t.Error("we are not alive")
	}
	self.Start++
	if (Machine{}).alive(self) {
		t.Error("a process that started at another time is taken for us")
	}
}

func TestFindDaemon(t *testing.T) {
	config := "/var/lib/meshwright/daemon.json" // below the machine's root, see cmdline
	process := func(start int, cmdline string) map[string]string {
		return map[string]string{
			"/proc/sys/kernel/random/boot_id": bootA,
			"/proc/77/stat":                   stat(77, "dockerd", "S", start),
			"/proc/77/cmdline":                cmdline,
			"/run/meshwright/docker.pid":      "77\n",
		}
	}
	for name, tc := range map[string]struct {
		files  map[string]string
		record Process
		want   Process
		found  bool
	}{
		"recorded":                        {process(5, "dockerd\x00"), Process{77, 5, bootA}, Process{77, 5, bootA}, true},
		"started but not recorded":        {process(5, "dockerd\x00--config-file\x00ROOT"+config+"\x00"), Process{}, Process{77, 5, bootA}, true},
		"recorded, then replaced by hand": {process(9, "dockerd\x00--config-file\x00ROOT"+config+"\x00"), Process{77, 5, bootA}, Process{77, 9, bootA}, true},
		"stale pid file, another program": {process(9, "sleep\x00100\x00"), Process{77, 5, bootA}, Process{}, false},
		"stale pid file, another dockerd": {process(9, "dockerd\x00--config-file\x00/etc/docker/daemon.json\x00"), Process{77, 5, bootA}, Process{}, false},
		"nothing":                         {map[string]string{"/proc/sys/kernel/random/boot_id": bootA}, Process{77, 5, bootA}, Process{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := fakeMachine(t, tc.files)
			if cmdline, ok := tc.files["/proc/77/cmdline"]; ok {
				writeFile(t, m.path("/proc/77/cmdline"), strings.ReplaceAll(cmdline, "ROOT", m.root), 0o600)
			}
			got, found := m.findDaemon(Record{Daemon: tc.record})
			if diff := cmp.Diff(tc.want, got); diff != "" || found != tc.found {
				t.Errorf("found %t, want %t (-want +got):\n%s", found, tc.found, diff)
			}
		})
	}
}

// TestClearStale: what a killed daemon left goes, what is another's process stays.
func TestClearStale(t *testing.T) {
	self := fmt.Sprint(os.Getpid()) // alive, and certainly no containerd
	m := fakeMachine(t, map[string]string{
		"/run/meshwright/docker.pid":                       self,
		"/run/meshwright/docker.sock":                      "",
		"/run/meshwright/docker/containerd/containerd.pid": self,
		"/var/lib/meshwright/docker/image":                 "kept",
	})
	for range 2 { // the second time there is nothing
		if err := m.clearStale(); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]bool{
		m.pidFile(): false, m.socket(): false, m.execRoot() + "/containerd/containerd.pid": false, m.dataRoot() + "/image": true,
	} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: there is %t, want %t", path, err == nil, want)
		}
	}
}

func TestRecord(t *testing.T) {
	m := fakeMachine(t, map[string]string{"/var/lib/meshwright/x": ""})
	r, err := m.readRecord()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Record{Version: 1}, r); diff != "" {
		t.Errorf("untouched machine (-want +got):\n%s", diff)
	}
	r.Daemon = Process{PID: 7, Start: 1 << 60, Boot: bootA}
	r.Packages = []string{"docker.io"}
	r.Network = &Network{Boot: bootA, ForwardPolicy: "ACCEPT"}
	if err := m.writeRecord(r); err != nil {
		t.Fatal(err)
	}
	again, err := m.readRecord()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, again); diff != "" {
		t.Errorf("written and read (-want +got):\n%s", diff)
	}
	if info, err := os.Stat(m.recordFile()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	for name, content := range map[string]string{"damaged": `{"version":`, "of the future": `{"version":2}`} {
		writeFile(t, m.recordFile(), content, 0o600)
		if _, err := m.readRecord(); err == nil {
			t.Errorf("a record that is %s is accepted", name)
		}
	}
}

func TestParseRelease(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want string
	}{
		"debian": {"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n", "Debian GNU/Linux 12 (bookworm)"},
		"ubuntu": {"PRETTY_NAME='Ubuntu 24.04'\nID=ubuntu\nID_LIKE=debian\n", "Ubuntu 24.04"},
		"mint":   {"PRETTY_NAME=Mint\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", "Mint"},
		"fedora": {"PRETTY_NAME=\"Fedora 43\"\nID=fedora\n", "Fedora 43"},
		"empty":  {"", "an unknown system"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, parseRelease(tc.text)); diff != "" {
				t.Errorf("system (-want +got):\n%s", diff)
			}
		})
	}
}
