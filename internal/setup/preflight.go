package setup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/docker/mark"
	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/internal/ui"
)

const gib = int64(1) << 30

// Needs are what the work ahead takes from the machine. Measured on two shared
// cores with the two-cluster stack.
type Needs struct {
	Disk   map[string]int64 // bytes, by a path on the file system concerned; several on one add up
	Memory int64            // bytes available
	Ports  int              // free ports on the loopback address
}

// Finding is one preflight verdict.
type Finding struct {
	What   string // "disk for /var/lib/meshwright"
	Need   string // "20.0 GiB"
	Found  string
	OK     bool
	Remedy string // what to do when it is not OK
}

func (f Finding) String() string {
	text := fmt.Sprintf("%s: needs %s, found %s", f.What, f.Need, f.Found)
	if !f.OK {
		text += " — " + f.Remedy
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
		"\nto try anyway, begin the command with: " + skipVariable + "=1")
}

// skipVariable, when it is 1, leaves the measuring out.
const skipVariable = "MESHWRIGHT_SKIP_PREFLIGHT"

// Preflight measures whether the machine has room for a new lab or, with kit, for the
// airgap kit, and fails when it has not. It measures nothing for a kit that exists: how
// much of it is to be built again is not known. A Docker that does not answer is no
// failure here.
func Preflight(ctx context.Context, p *ui.Printer, kit bool) error {
	return Machine{}.preflight(ctx, p, kit)
}

func (m Machine) preflight(ctx context.Context, p *ui.Printer, kit bool) error {
	if kit && m.kitBuilt() {
		return nil
	}
	found, _, err := m.find(ctx)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return m.checkSize(ctx, p, found, kit)
}

// checkSize measures the machine for a lab on the Docker that was found and, with
// build, for the kit before it, and tells p.
func (m Machine) checkSize(ctx context.Context, p *ui.Printer, found *Result, build bool) error {
	step := p.Start("preflight")
	if os.Getenv(skipVariable) == "1" {
		step.Skip("turned off by " + skipVariable)
		return nil
	}
	findings, _, err := m.room(ctx, found, build)
	if err == nil {
		err = errPreflight(findings)
	}
	if err != nil {
		step.Fail(err)
		return err
	}
	var notes []string
	for _, f := range findings {
		notes = append(notes, f.String())
	}
	step.Done(strings.Join(notes, "; "))
	return nil
}

// room compares the machine with what a lab on the Docker that was found takes and,
// with build, the kit before it. Without a Docker a daemon of ours will hold them.
// Nodes of labs that run already have their share of the memory: then only a margin is
// needed.
func (m Machine) room(ctx context.Context, found *Result, build bool) (findings []Finding, nodes int, err error) {
	data := paths.DataDir
	if found != nil {
		running, err := found.Client.Containers(ctx, docker.Filter{MountTarget: mark.OwnerMount, Running: true})
		if err != nil {
			return nil, 0, err
		}
		nodes = len(running)
		daemon, err := found.Client.Daemon(ctx)
		if err != nil {
			return nil, nodes, err
		}
		data = daemon.Root
		if _, err := os.Stat(m.path(data)); err != nil {
			data = "" // on another machine, in a virtual one, or hidden from this user
		}
	}
	findings, err = m.measure(ctx, needs(data, build, nodes))
	return findings, nodes, err
}

// needs returns what the work ahead takes. data is where Docker keeps images and
// containers, "" when that cannot be looked at here; build: the kit has yet to be built.
// Measured with two clusters: a node's own volume is 1.5 GiB and the node image
// 1.2 GiB; a build leaves 2.3 GiB of kit, 5 GiB of Go modules and about 9 GiB in
// Go's build cache, and its largest link takes 1.8 GiB of memory; a cluster with
// its share of the mesh takes about 1 GiB.
func needs(data string, build bool, runningNodes int) Needs {
	n := Needs{
		Disk:   map[string]int64{paths.Cache(): gib},
		Memory: 3 * gib,
		Ports:  8, // an API server each, and the providers
	}
	inDocker := 6 * gib
	if build {
		n.Disk[paths.Cache()], inDocker, n.Memory = 18*gib, 10*gib, 4*gib
	}
	if runningNodes > 0 {
		inDocker, n.Memory = gib, gib
	}
	if data != "" {
		n.Disk[data] = inDocker
	}
	return n
}

// measure compares the machine with the needs. It leaves out what this kind of
// machine does not tell.
func (m Machine) measure(ctx context.Context, needs Needs) ([]Finding, error) {
	var findings []Finding
	disks, err := diskFindings(needs.Disk, m.space)
	if err != nil {
		return nil, err
	}
	findings = append(findings, disks...)
	if proc, err := procfs.NewFS(m.path("/proc")); err == nil && needs.Memory > 0 {
		memory, err := proc.Meminfo()
		if err == nil && memory.MemAvailableBytes == nil {
			err = errors.New("/proc/meminfo has no MemAvailable")
		}
		if err != nil {
			return nil, fmt.Errorf("available memory: %w", err)
		}
		available := int64(*memory.MemAvailableBytes) //nolint:gosec // far below the limit
		findings = append(findings, Finding{
			What: "memory", Need: ui.Bytes(needs.Memory), Found: ui.Bytes(available), OK: available >= needs.Memory,
			Remedy: "stop other programs or labs (meshwright destroy), or use a larger machine",
		})
	}
	if needs.Ports > 0 {
		free := freePorts(ctx, needs.Ports)
		found := strconv.Itoa(free)
		if free >= needs.Ports {
			found = "enough"
		}
		findings = append(findings, Finding{
			What: "free ports on 127.0.0.1", Need: strconv.Itoa(needs.Ports), Found: found, OK: free >= needs.Ports,
			Remedy: "close listeners, or widen net.ipv4.ip_local_port_range",
		})
	}
	return findings, nil
}

// diskFindings adds up the needs by file system: two directories on one disk
// need the sum. space returns a path's file system and its free bytes.
func diskFindings(needs map[string]int64, space func(string) (device uint64, free int64, err error)) ([]Finding, error) {
	type disk struct {
		device     uint64
		paths      []string
		need, free int64
	}
	var disks []disk
	for _, path := range slices.Sorted(maps.Keys(needs)) {
		device, free, err := space(path)
		if err != nil {
			return nil, fmt.Errorf("free space for %s: %w", path, err)
		}
		i := slices.IndexFunc(disks, func(d disk) bool { return d.device == device })
		if i < 0 {
			i, disks = len(disks), append(disks, disk{device: device, free: free})
		}
		disks[i].paths = append(disks[i].paths, path)
		disks[i].need += needs[path]
	}
	var findings []Finding
	for _, d := range disks {
		findings = append(findings, Finding{
			What: "free disk for " + strings.Join(d.paths, " and "),
			Need: ui.Bytes(d.need), Found: ui.Bytes(d.free), OK: d.free >= d.need,
			Remedy: "free some space, or mount a larger disk there",
		})
	}
	return findings, nil
}

// space returns the file system of a path, or of its nearest parent that exists,
// and the bytes free to us on it.
func (m Machine) space(path string) (device uint64, free int64, err error) {
	path, info, err := nearest(m.path(path))
	if err != nil {
		return 0, 0, err
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return 0, 0, err
	}
	device, err = deviceOf(info)
	return device, int64(fs.Bavail) * int64(fs.Bsize), err //nolint:gosec,unconvert // the types differ between systems
}

// nearest is the path itself, or its nearest parent that exists.
func nearest(path string) (string, os.FileInfo, error) {
	for {
		info, err := os.Stat(path)
		parent := filepath.Dir(path)
		if err == nil || !errors.Is(err, os.ErrNotExist) || parent == path {
			return path, info, err
		}
		path = parent
	}
}

// freePorts counts loopback ports that can be listened on at once, up to want: each
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
