package setup

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
			want: []Finding{{What: "free disk for /a and /b", Need: "15.0 GiB", Found: "12.0 GiB", Mend: "free some, or move it with a mount of its own"}},
		},
		"two disks, both fit": {
			device: map[string]uint64{"/a": 1, "/b": 2}, free: map[uint64]int64{1: 10 * gib, 2: 5 * gib},
			want: []Finding{
				{What: "free disk for /a", Need: "10.0 GiB", Found: "10.0 GiB", OK: true, Mend: "free some, or move it with a mount of its own"},
				{What: "free disk for /b", Need: "5.0 GiB", Found: "5.0 GiB", OK: true, Mend: "free some, or move it with a mount of its own"},
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

func TestPreflight(t *testing.T) {
	meminfo := "MemTotal: 8388608 kB\nMemAvailable:    2097152 kB\n"
	for name, tc := range map[string]struct {
		needs   Needs
		refused []string // parts of the error; none means that it passes
	}{
		"enough":           {Needs{Disk: map[string]int64{"/no/such/dir": 1}, Memory: 2 * gib, Ports: 3}, nil},
		"too little of it": {Needs{Memory: 3 * gib}, []string{"memory: needs 3.0 GiB, found 2.0 GiB", "--skip-preflight"}},
		"a full disk":      {Needs{Disk: map[string]int64{"/no/such/dir": 1 << 62}}, []string{"/no/such/dir: needs 4294967296.0 GiB, found "}},
	} {
		t.Run(name, func(t *testing.T) {
			findings, err := fakeMachine(t, map[string]string{"/proc/meminfo": meminfo}).preflight(t.Context(), tc.needs)
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
	if _, err := fakeMachine(t, map[string]string{"/proc/meminfo": "MemTotal: 1 kB\n"}).preflight(t.Context(), Needs{Memory: 1}); err == nil {
		t.Error("memory that cannot be told passes")
	}
}

// TestNeeds: what runs already is not asked for again.
func TestNeeds(t *testing.T) {
	build, lab, again := needs(true, 0), needs(false, 0), needs(false, 2)
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
