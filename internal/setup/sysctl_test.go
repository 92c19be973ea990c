package setup

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	watches   = "/proc/sys/fs/inotify/max_user_watches"
	instances = "/proc/sys/fs/inotify/max_user_instances"
	bootID    = "/proc/sys/kernel/random/boot_id"
)

func TestLow(t *testing.T) {
	m := fakeMachine(t, map[string]string{watches: "8192\n", instances: "1024\n"})
	low, err := m.low()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]lowLimit{{limits[0], 8192}}, low, cmp.AllowUnexported(lowLimit{}, limit{})); diff != "" {
		t.Errorf("too low (-want +got):\n%s", diff)
	}
	if _, err := fakeMachine(t, nil).low(); err == nil {
		t.Error("limits that cannot be read pass")
	}
}

// TestSysctlRoundTrip raises twice, as a second set-up does after a change of
// the needed value, and expects the value from before the first.
func TestSysctlRoundTrip(t *testing.T) {
	m := fakeMachine(t, map[string]string{watches: "8192\n", bootID: bootA})
	var r Record
	for _, value := range []string{"100000", "524288", "524288"} {
		if err := m.set(&r, "fs.inotify.max_user_watches", value); err != nil {
			t.Fatal(err)
		}
	}
	r.Version = recordVersion
	want := []Sysctl{{Name: "fs.inotify.max_user_watches", Previous: "8192", Set: "524288", Boot: bootA}}
	if diff := cmp.Diff(want, r.Sysctls); diff != "" {
		t.Errorf("noted (-want +got):\n%s", diff)
	}
	lines, err := m.restore(r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"fs.inotify.max_user_watches 524288 → 8192"}, lines); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if got, _ := m.readSysctl("fs.inotify.max_user_watches"); got != "8192" {
		t.Errorf("restored to %s", got)
	}
	if lines, err := m.restore(r); err != nil || len(lines) > 0 {
		t.Errorf("the second time: %q, %v", lines, err)
	}
}

func TestRestoreLeavesOthersChanges(t *testing.T) {
	noted := Record{Sysctls: []Sysctl{{Name: "fs.inotify.max_user_watches", Previous: "8192", Set: "524288", Boot: bootA}}}
	for name, tc := range map[string]struct{ now, boot, want string }{
		"changed since by someone":     {"1000000", bootA, "1000000"},
		"another boot":                 {"524288", bootB, "524288"},
		"already as before":            {"8192", bootA, "8192"},
		"ours (the case that differs)": {"524288", bootA, "8192"},
	} {
		t.Run(name, func(t *testing.T) {
			m := fakeMachine(t, map[string]string{watches: tc.now, bootID: tc.boot})
			if _, err := m.restore(noted); err != nil {
				t.Fatal(err)
			}
			if got, _ := m.readSysctl("fs.inotify.max_user_watches"); got != tc.want {
				t.Errorf("now %s, want %s", got, tc.want)
			}
		})
	}
}

// TestNoteFirst: when the note cannot be written, nothing is changed.
func TestNoteFirst(t *testing.T) {
	m := fakeMachine(t, map[string]string{watches: "8192", bootID: bootA, "/var/lib/meshwright": "no directory"})
	var r Record
	if err := m.set(&r, "fs.inotify.max_user_watches", "524288"); err == nil {
		t.Fatal("no error")
	}
	if got, _ := m.readSysctl("fs.inotify.max_user_watches"); got != "8192" {
		t.Errorf("changed to %s without a note", got)
	}
}

func TestNoteAfterReboot(t *testing.T) {
	r := Record{Sysctls: []Sysctl{{Name: "x", Previous: "1", Set: "5", Boot: bootA}}}
	r.note(Sysctl{Name: "x", Previous: "2", Set: "5", Boot: bootB})
	want := []Sysctl{{Name: "x", Previous: "2", Set: "5", Boot: bootB}}
	if diff := cmp.Diff(want, r.Sysctls); diff != "" {
		t.Errorf("noted (-want +got):\n%s", diff)
	}
}
