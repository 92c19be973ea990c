package setup

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Examination is what a machine is like. Nothing of it was changed.
type Examination struct {
	System string // "Debian GNU/Linux 12 (bookworm), linux/amd64"

	// Docker is the daemon that would be used, nil when there is none; then
	// DockerErr says why, and what to run.
	Docker    *Result
	DockerErr error

	// Nodes of labs that run, whose share of the memory is taken already.
	Nodes int
	// Room are disk, memory and ports. One that is not OK makes an up fail.
	Room []Finding
	// Limits of the kernel. One that is not OK matters with three clusters or more.
	Limits []Finding
	// Packages that building the kit lacks; nil unless it has to be built.
	Packages []string
}

// Examine looks at the machine as Run does and changes nothing. With airgap a lab
// comes from the kit, which is to be built if it does not exist.
func Examine(ctx context.Context, airgap bool) (*Examination, error) {
	return Machine{}.examine(ctx, airgap)
}

func (m Machine) examine(ctx context.Context, airgap bool) (*Examination, error) {
	e := &Examination{System: runtime.GOOS + "/" + runtime.GOARCH}
	if runtime.GOOS == "linux" {
		e.System = m.system() + ", " + e.System
	}
	found, absent, err := m.find(ctx)
	e.Docker, e.DockerErr = found, cmp.Or(err, absent)
	build := airgap && !m.kitBuilt()
	if e.Room, e.Nodes, err = m.room(ctx, found, build); err != nil {
		return nil, err
	}
	if build {
		e.Packages = missing(kitTools, lookPath)
	}
	e.Limits = m.limitFindings()
	return e, nil
}

// limitFindings are the kernel's limits; none on systems other than Linux.
func (m Machine) limitFindings() []Finding {
	var findings []Finding
	for _, l := range limits {
		text, err := m.readSysctl(l.name)
		if err != nil {
			continue
		}
		value, err := strconv.Atoi(text)
		findings = append(findings, Finding{
			What: l.why, Need: strconv.Itoa(l.need), Found: text, OK: err == nil && value >= l.need,
			Remedy: fmt.Sprintf("sudo sysctl %s=%d", l.name, l.need),
		})
	}
	return findings
}

// StateWritable returns nil when labs can be kept in dir, which need not exist.
func StateWritable(dir string) error {
	dir, _, err := nearest(dir)
	if err == nil {
		err = unix.Access(dir, unix.W_OK|unix.X_OK)
	}
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", dir, err)
	}
	return nil
}
