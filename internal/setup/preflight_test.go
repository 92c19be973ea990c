package setup

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/paths"
)

func TestDiskFindings(t *testing.T) {
	needs := map[string]int64{"/a": 10 * gib, "/b": 5 * gib}
	for name, tc := range map[string]struct {
		device map[string]uint64
		free   map[uint64]int64
		want   []Finding
	}{
		"one disk, the sum fits not": {
			device: map[string]uint64{"/a": 1, "/b": 1}, free: map[uint64]int64{1: 12 * gib},
			want: []Finding{{What: "free disk for /a and /b", Need: "15.0 GiB", Found: "12.0 GiB", Remedy: "free some space, or mount a larger disk there"}},
		},
		"two disks, both fit": {
			device: map[string]uint64{"/a": 1, "/b": 2}, free: map[uint64]int64{1: 10 * gib, 2: 5 * gib},
			want: []Finding{
				{What: "free disk for /a", Need: "10.0 GiB", Found: "10.0 GiB", OK: true, Remedy: "free some space, or mount a larger disk there"},
				{What: "free disk for /b", Need: "5.0 GiB", Found: "5.0 GiB", OK: true, Remedy: "free some space, or mount a larger disk there"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := diskFindings(needs, func(path string) (uint64, int64, error) {
				return tc.device[path], tc.free[tc.device[path]], nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMeasure(t *testing.T) {
	meminfo := "MemTotal: 8388608 kB\nMemAvailable:    2097152 kB\n"
	for name, tc := range map[string]struct {
		needs   Needs
		refused []string // parts of the error; none means that it passes
	}{
		"enough":           {Needs{Disk: map[string]int64{"/no/such/dir": 1}, Memory: 2 * gib, Ports: 3}, nil},
		"too little of it": {Needs{Memory: 3 * gib}, []string{"memory: needs 3.0 GiB, found 2.0 GiB", "MESHWRIGHT_SKIP_PREFLIGHT=1"}},
		"a full disk":      {Needs{Disk: map[string]int64{"/no/such/dir": 1 << 62}}, []string{"/no/such/dir: needs 4294967296.0 GiB, found "}},
	} {
		t.Run(name, func(t *testing.T) {
			findings, err := fakeMachine(t, map[string]string{"/proc/meminfo": meminfo}).measure(t.Context(), tc.needs)
			if err != nil {
				t.Fatal(err)
			}
			err = errPreflight(findings)
			if (err != nil) != (len(tc.refused) > 0) {
				t.Fatalf("refused: %v", err)
			}
			for _, part := range tc.refused {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q is missing in: %v", part, err)
				}
			}
		})
	}
	if _, err := fakeMachine(t, map[string]string{"/proc/meminfo": "MemTotal: 1 kB\n"}).measure(t.Context(), Needs{Memory: 1}); err == nil {
		t.Error("memory that cannot be told passes")
	}
}

// TestNeeds: what runs already is not asked for again.
func TestNeeds(t *testing.T) {
	build, lab, again := needs("/data", true, 0), needs("/data", false, 0), needs("/data", false, 2)
	if build.Memory <= lab.Memory || lab.Memory <= again.Memory {
		t.Errorf("memory for build %d, lab %d, running lab %d", build.Memory, lab.Memory, again.Memory)
	}
	sum := func(n Needs) (total int64) {
		for _, bytes := range n.Disk {
			total += bytes
		}
		return total
	}
	if sum(build) <= sum(lab) {
		t.Errorf("disk for build %d, lab %d", sum(build), sum(lab))
	}
}

// answeringDocker puts a docker command on PATH whose daemon keeps its data in a
// directory, and has no container.
func answeringDocker(t *testing.T, data string) {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\ncase $1 in\n" +
		"version) echo '{\"Engine\": \"20.10\", \"OS\": \"linux\"}' ;;\n" +
		"info) echo '{\"id\": \"A\", \"root\": \"" + data + "\"}' ;;\n" +
		"context) echo '{\"Name\": \"default\", \"Host\": \"unix:///var/run/docker.sock\"}' ;;\n" +
		"container) ;;\n" +
		"*) exit 1 ;;\nesac\n"
	if err := os.WriteFile(filepath.Join(dir, "docker"), []byte(script), 0o755); err != nil { //nolint:gosec // a command
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/bin")
	t.Setenv("DOCKER_HOST", "")
}

// TestRoomIsMeasuredWhereDockerKeepsIt: the disk that fills up is that of the Docker in
// use, and one that is elsewhere has none here.
func TestRoomIsMeasuredWhereDockerKeepsIt(t *testing.T) {
	cache := paths.Cache()
	both := func(other string) string {
		places := []string{cache, other}
		slices.Sort(places)
		return "free disk for " + strings.Join(places, " and ")
	}
	for name, tc := range map[string]struct {
		data string // of the Docker that answers; "" when none does
		want string
	}{
		"here":      {"/srv/docker", both("/srv/docker")},
		"elsewhere": {"/var/lib/docker", "free disk for " + cache},
		"none":      {"", both(paths.DataDir)},
	} {
		t.Run(name, func(t *testing.T) {
			m := fakeMachine(t, map[string]string{"/srv/docker/x": "", "/proc/meminfo": "MemAvailable: 8388608 kB\n"})
			var found *Result
			if tc.data != "" {
				answeringDocker(t, tc.data)
				var err error
				if found, _, err = m.find(t.Context()); err != nil || found == nil {
					t.Fatal(found, err)
				}
			}
			findings, _, err := m.room(t.Context(), found, false)
			if err != nil {
				t.Fatal(err)
			}
			if got := findings[0].What; got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

// TestPreflight: a machine without room is refused before any work, unless that is
// wanted all the same; a kit that is there needs none.
func TestPreflight(t *testing.T) {
	t.Setenv("MESHWRIGHT_KIT", "/kit")
	const small, large = "MemAvailable: 2097152 kB\n", "MemAvailable: 3670016 kB\n" // 2 GiB, 3.5 GiB
	for name, tc := range map[string]struct {
		memory, skip string
		kit, built   bool
		docker       bool
		refused      string
	}{
		"a lab":                      {memory: large, docker: true},
		"no room for a lab":          {memory: small, docker: true, refused: "memory: needs 3.0 GiB, found 2.0 GiB"},
		"wanted all the same":        {memory: small, docker: true, skip: "1"},
		"no room for building a kit": {memory: large, docker: true, kit: true, refused: "memory: needs 4.0 GiB, found 3.5 GiB"},
		"a kit that is there":        {memory: small, docker: true, kit: true, built: true},
		"no Docker, and no room":     {memory: small, refused: "memory: needs 3.0 GiB"},
		"no Docker":                  {memory: large},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"/proc/meminfo": tc.memory}
			if tc.built {
				files["/kit/artifacts.json"] = "{}"
			}
			t.Setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
			if tc.docker {
				answeringDocker(t, "/elsewhere")
			}
			t.Setenv("MESHWRIGHT_SKIP_PREFLIGHT", tc.skip)
			err := fakeMachine(t, files).preflight(t.Context(), nil, tc.kit)
			if tc.refused == "" && err != nil || tc.refused != "" && (err == nil || !strings.Contains(err.Error(), tc.refused)) {
				t.Errorf("error %v, want %q", err, tc.refused)
			}
		})
	}
}
