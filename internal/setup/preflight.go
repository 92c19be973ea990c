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

	"golang.org/x/sys/unix"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/docker/mark"
	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/internal/ui"
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
		"\nto try all the same, begin the command with: " + skipVariable + "=1")
}

// skipVariable, when it is 1, leaves the measuring out.
const skipVariable = "MESHWRIGHT_SKIP_PREFLIGHT"

// Preflight measures whether the machine has room for a new lab or, with kit, for the
// airgap kit, and fails when it has not. Of a kit that is there nobody knows yet how
// much is to be built again: nothing is measured. A Docker that does not answer is for
// the work itself to complain of.
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
		step.Skip("not wanted (" + skipVariable + ")")
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
// with build, the kit before it. Without a Docker it is one of ours that will hold
// them. Where nodes of labs run already, they hold their share of the memory, and only
// a margin is asked for.
func (m Machine) room(ctx context.Context, found *Result, build bool) (findings []Finding, nodes int, err error) {
	data := paths.DataDir
	if found != nil {
		running, err := found.Client.Containers(ctx, docker.Filter{MountTarget: mark.OwnerMount, Running: true})
		if err != nil {
			return nil, 0, err
		}
		nodes = len(running)
		if data, err = found.Client.DataDir(ctx); err != nil {
			return nil, nodes, err
		}
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

// measure compares the machine with the needs. What it cannot find out on this
// kind of machine it leaves out.
func (m Machine) measure(ctx context.Context, needs Needs) ([]Finding, error) {
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
	for _, path := range slices.Sorted(maps.Keys(needs)) {
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
