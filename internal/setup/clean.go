package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/meshwright/meshwright/internal/docker/mark"
	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/internal/ui"
	"github.com/meshwright/meshwright/report"
)

// CleanOptions say how far a clean-up may go.
type CleanOptions struct {
	UI *ui.Printer
	// Kit removes the airgap kit, with its images in a Docker that stays, and
	// says what it removed. nil leaves the images.
	Kit func(context.Context) (string, error)
}

// Cleaned is what a clean-up leaves.
type Cleaned struct {
	Packages []string `json:"packages"` // installed by setup
}

// LabsExistError says that Clean refused because there are labs.
type LabsExistError struct{ Labs []string }

func (e *LabsExistError) Error() string { return "labs still exist: " + strings.Join(e.Labs, ", ") }

// Clean undoes Run: it stops the daemon that we started, restores the kernel
// settings, and removes caches, state and passphrase. Installed packages stay.
// While labs exist it refuses with a *LabsExistError.
func Clean(ctx context.Context, o CleanOptions) (*Cleaned, error) { return Machine{}.clean(ctx, o) }

func (m Machine) clean(ctx context.Context, o CleanOptions) (*Cleaned, error) {
	touched := isThere(m.path(paths.DataDir)) || isThere(m.path(paths.RuntimeDir)) // by setup
	if touched && os.Getuid() != 0 {
		return nil, fmt.Errorf("the daemon in %s belongs to root\nrun: sudo meshwright clean", paths.DataDir)
	}
	var record Record
	if touched {
		unlock, err := m.lock(ctx, o.UI)
		if err != nil {
			return nil, err
		}
		defer unlock()
		if record, err = m.readRecord(); err == nil {
			err = m.refuseForeign(record)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := m.refuseLabs(ctx, record); err != nil {
		return nil, err
	}
	stages := []struct {
		title string
		when  bool
		do    func(context.Context, Record) (string, error)
	}{
		{"airgap kit", o.Kit != nil, func(ctx context.Context, _ Record) (string, error) { return o.Kit(ctx) }},
		{"Docker daemon", touched, m.cleanDaemon},
		{"network", touched, m.cleanNetwork},
		{"kernel settings", touched, m.cleanSysctls},
		{"caches, state and passphrase", true, m.cleanUser},
		{"daemon's data", touched, m.cleanData},
	}
	for _, stage := range stages {
		if !stage.when {
			continue
		}
		err := o.UI.Do(stage.title, func(func(string)) (string, error) { return stage.do(ctx, record) })
		if err != nil {
			return nil, fmt.Errorf("cleaning up, %s: %w\nto continue, run: meshwright clean", stage.title, err)
		}
	}
	return &Cleaned{Packages: slices.Clone(record.Packages)}, nil
}

// refuseLabs fails with a *LabsExistError while there are labs: those with a directory in our
// state, whether a Docker answers or not, and those of others on the daemon that goes.
func (m Machine) refuseLabs(ctx context.Context, r Record) error {
	names, err := m.keptLabs()
	if err != nil {
		return err
	}
	if daemon, running := m.findDaemon(r); running {
		networks, err := m.client().Networks(ctx, map[string]string{mark.LabLabel: ""})
		if err != nil {
			return fmt.Errorf("labs on the daemon of process %d: %w", daemon.PID, err)
		}
		for _, n := range networks {
			names = append(names, n.Labels[mark.LabLabel])
		}
	} else if held, err := os.ReadDir(filepath.Join(m.dataRoot(), "containers")); err == nil && len(held) > 0 {
		return report.WithRemedies(fmt.Errorf("labs may exist: the daemon with its data in %s does not run, and has %d containers", m.dataRoot(), len(held)),
			report.Remedy{Text: "start it, to see which", Operation: report.OperationSetup})
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return &LabsExistError{slices.Compact(names)}
}

// keptLabs are the labs that have a directory in our state.
func (m Machine) keptLabs() ([]string, error) {
	entries, err := os.ReadDir(m.path(paths.Labs()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// cleanDaemon stops the daemon that we started, by process id and start time.
func (m Machine) cleanDaemon(ctx context.Context, r Record) (string, error) {
	daemon, running := m.findDaemon(r)
	if running {
		if err := m.stop(ctx, daemon, stopTimeout); err != nil {
			return "", err
		}
	}
	if err := m.clearStale(); err != nil {
		return "", err
	}
	if !running {
		return "was not running", nil
	}
	return fmt.Sprintf("stopped, process %d", daemon.PID), nil
}

// cleanNetwork removes what dockerd leaves of its network when it stops.
func (m Machine) cleanNetwork(ctx context.Context, r Record) (string, error) {
	boot, err := m.boot()
	if err != nil {
		return "", err
	}
	if r.Network == nil || r.Network.Boot != boot {
		return "nothing of ours", nil
	}
	if r.Network.Bridge {
		return "docker0 was there before setup: left", nil
	}
	if m.bridge() {
		bridge, err := netlink.LinkByName("docker0")
		if err == nil {
			err = netlink.LinkDel(bridge)
		}
		if err != nil {
			return "", fmt.Errorf("removing the bridge docker0: %w", err)
		}
	}
	if r.Network.Made == nil {
		return "docker0 is gone; which packet filter rules are ours is not on record: left", nil
	}
	left, err := m.removeRules(ctx, *r.Network)
	note := "docker0 and its packet filter rules are gone"
	if len(left) > 0 {
		note += ", but for those in " + strings.Join(left, ", ") + ", which others use"
	}
	return note, err
}

func (m Machine) cleanSysctls(_ context.Context, r Record) (string, error) {
	lines, err := m.restore(r)
	if err != nil {
		return "", err
	}
	if len(lines) == 0 {
		return "nothing to restore", nil
	}
	return strings.Join(lines, ", "), nil
}

// made is what we make in the user's directories, beside the kit.
func made() map[string][]string {
	return map[string][]string{
		paths.Cache(): {"programs", "pulumi", "renders"},
		paths.State(): {"labs", "images.lock.json"}, // of labs without a project
	}
}

// cleanUser removes the user's caches and state, and nothing else from their directories.
func (m Machine) cleanUser(_ context.Context, _ Record) (string, error) {
	names, err := m.keptLabs()
	if err != nil {
		return "", err
	}
	if len(names) > 0 { // made meanwhile
		return "", &LabsExistError{names}
	}
	var notes []string
	for dir, names := range made() {
		if !isThere(m.path(dir)) {
			continue
		}
		for _, name := range names {
			if err := m.removeTree(m.path(dir, name)); err != nil {
				return "", err
			}
		}
		note := "removed " + dir
		if err := os.Remove(m.path(dir)); err != nil {
			note = "emptied " + dir + " but for what others put there"
		}
		notes = append(notes, note)
	}
	slices.Sort(notes)
	return cmp.Or(strings.Join(notes, ", "), "none"), nil
}

// cleanData removes the daemon's data and, last, the record of what we did.
func (m Machine) cleanData(_ context.Context, _ Record) (string, error) {
	for _, dir := range []string{paths.RuntimeDir, paths.DataDir} {
		if err := m.removeTree(m.path(dir)); err != nil {
			return "", err
		}
	}
	if err := removeIfThere(m.path(lockFile)); err != nil {
		return "", err
	}
	return "removed " + paths.DataDir + ", " + paths.RuntimeDir, nil
}

// removeTree removes a directory and all in it. It first unmounts what is mounted
// below. If anything stays mounted it removes nothing: behind a bind mount is somebody
// else's data.
func (m Machine) removeTree(dir string) error {
	mounts, err := m.mountsBelow(dir)
	if err != nil {
		return err
	}
	slices.Reverse(mounts) // the newest first
	for _, mount := range mounts {
		if err := unix.Unmount(mount, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("unmounting %s: %w\nfind who uses it with: fuser -m %s", mount, err, mount)
		}
	}
	if left, err := m.mountsBelow(dir); err != nil || len(left) > 0 {
		return errors.Join(err, fmt.Errorf("still mounted below %s: %s", dir, strings.Join(left, ", ")))
	}
	err = os.RemoveAll(dir)
	if errors.Is(err, unix.EBUSY) {
		// The directory is a mount point, which stays.
		if entries, readErr := os.ReadDir(dir); readErr == nil && len(entries) == 0 {
			return nil
		}
	}
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	// Go's module cache is read-only, directories included.
	walked := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(path, 0o700) //nolint:gosec // about to be removed
		}
		return err
	})
	return errors.Join(walked, os.RemoveAll(dir))
}

// mountsBelow lists the mount points below a directory that can be reached, oldest
// first (proc_pid_mountinfo(5)). It reads the whole file: procfs stops at 1 MiB, and a
// mount that is missed here costs somebody their data.
func (m Machine) mountsBelow(dir string) ([]string, error) {
	data, err := os.ReadFile(m.path("/proc/self/mountinfo"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // not Linux: there is no daemon of ours
	}
	if err != nil {
		return nil, err
	}
	var mounts []string
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		point := unescapeMount(fields[4])
		if !strings.HasPrefix(point, strings.TrimSuffix(dir, "/")+"/") {
			continue
		}
		// A mount point that another mount covers cannot be reached.
		if _, err := os.Lstat(point); !errors.Is(err, fs.ErrNotExist) {
			mounts = append(mounts, point)
		}
	}
	return mounts, nil
}

// unescapeMount decodes the octal escapes of blanks and backslashes.
var unescapeMount = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace
