package setup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	mib = int64(1) << 20
	gib = int64(1) << 30
)

// Needs are what the work ahead takes from the machine. Measured on two shared
// cores with the two-cluster stack.
type Needs struct {
	Disk   map[string]int64 // bytes, by a path on the file system concerned; several on one add up
	Memory int64            // bytes available
	Ports  int              // free ports on the loopback address
}

// Finding is one preflight verdict.
type Finding struct {
	What  string // "disk for /var/lib/meshwright"
	Need  string // "20.0 GiB"
	Found string
	OK    bool
	Mend  string // what to do when it is not OK
}

func (f Finding) String() string {
	text := fmt.Sprintf("%s: needs %s, found %s", f.What, f.Need, f.Found)
	if !f.OK {
		text += " — " + f.Mend
	}
	return text
}

// errPreflight carries the findings that are not OK.
func errPreflight(findings []Finding) error {
	var lines []string
	for _, f := range findings {
		if !f.OK {
			lines = append(lines, "  "+f.String())
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return errors.New("the machine is too small for the work ahead:\n" + strings.Join(lines, "\n") +
		"\nto try all the same: meshwright setup --skip-preflight")
}

// preflight compares the machine with the needs. What it cannot find out on this
// kind of machine it leaves out.
func (m Machine) preflight(ctx context.Context, needs Needs) ([]Finding, error) {
	var findings []Finding
	disks, err := diskFindings(needs.Disk, m.space)
	if err != nil {
		return nil, err
	}
	findings = append(findings, disks...)
	if data, err := os.ReadFile(m.path("/proc/meminfo")); err == nil && needs.Memory > 0 {
		available, err := memAvailable(string(data))
		if err != nil {
			return nil, err
		}
		findings = append(findings, Finding{
			What: "memory", Need: size(needs.Memory), Found: size(available), OK: available >= needs.Memory,
			Mend: "stop other programs or labs (meshwright destroy), or use a larger machine",
		})
	}
	if needs.Ports > 0 {
		free := freePorts(ctx, needs.Ports)
		findings = append(findings, Finding{
			What: "free ports on 127.0.0.1", Need: strconv.Itoa(needs.Ports), Found: portsFound(free, needs.Ports), OK: free >= needs.Ports,
			Mend: "close listeners, or widen net.ipv4.ip_local_port_range",
		})
	}
	return findings, nil
}

// diskFindings adds the needs up by file system: two directories on one disk
// need the sum. space tells a path's file system and its free bytes.
func diskFindings(needs map[string]int64, space func(string) (device uint64, free int64, err error)) ([]Finding, error) {
	type disk struct {
		paths []string
		need  int64
		free  int64
	}
	disks := map[uint64]*disk{}
	var order []uint64
	for _, path := range sortedKeys(needs) {
		device, free, err := space(path)
		if err != nil {
			return nil, fmt.Errorf("free space for %s: %w", path, err)
		}
		d := disks[device]
		if d == nil {
			d = &disk{free: free}
			disks[device] = d
			order = append(order, device)
		}
		d.paths = append(d.paths, path)
		d.need += needs[path]
	}
	var findings []Finding
	for _, device := range order {
		d := disks[device]
		findings = append(findings, Finding{
			What: "free disk for " + strings.Join(d.paths, " and "),
			Need: size(d.need), Found: size(d.free), OK: d.free >= d.need,
			Mend: "free some, or move it with a mount of its own",
		})
	}
	return findings, nil
}

// space returns the file system of a path, or of its nearest parent that exists,
// and the bytes free to us on it.
func (m Machine) space(path string) (device uint64, free int64, err error) {
	path = m.path(path)
	for {
		info, err := os.Stat(path)
		if err == nil {
			return statSpace(path, info)
		}
		parent := filepath.Dir(path)
		if !errors.Is(err, os.ErrNotExist) || parent == path {
			return 0, 0, err
		}
		path = parent
	}
}

func statSpace(path string, info os.FileInfo) (uint64, int64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return 0, 0, err
	}
	device, err := deviceOf(info)
	return device, int64(fs.Bavail) * int64(fs.Bsize), err //nolint:gosec,unconvert // the types differ between systems
}

// memAvailable reads the memory that can be had without swapping, in bytes, from
// the content of /proc/meminfo.
func memAvailable(text string) (int64, error) {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "MemAvailable:")
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("available memory: %w", err)
		}
		return kib << 10, nil
	}
	return 0, errors.New("available memory: /proc/meminfo does not tell")
}

// freePorts counts loopback ports that can be had at once, up to want: each
// cluster publishes its API server on one, and each provider listens on one.
func freePorts(ctx context.Context, want int) int {
	var config net.ListenConfig
	for n := range want {
		l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return n
		}
		defer l.Close() //nolint:revive // they are to be held together, up to the return
	}
	return want
}

func portsFound(free, want int) string {
	if free >= want {
		return "enough"
	}
	return strconv.Itoa(free)
}

func size(bytes int64) string {
	if bytes < gib {
		return fmt.Sprintf("%d MiB", bytes/mib)
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/float64(gib))
}
