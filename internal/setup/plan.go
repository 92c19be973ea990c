package setup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/meshwright/meshwright/internal/ui"
)

// plan is what a set-up of our own daemon has to change. It is made before anything
// is changed.
type plan struct {
	m        Machine
	packages []string
	low      []lowLimit
	daemon   Process // of ours that runs already
	running  bool
	wrap     bool // a capability is missing
}

// plan compares the machine with what our daemon needs, and further tools.
func (m Machine) plan(r Record, further []tool) (*plan, error) {
	p := &plan{m: m, packages: missing(slices.Concat(dockerTools, further), lookPath)}
	var err error
	if p.low, err = m.low(); err != nil {
		return nil, err
	}
	p.daemon, p.running = m.findDaemon(r)
	p.wrap, err = m.needsWrapper()
	return p, err
}

// changes says what the plan will do, a line each; none when all is in place.
func (p *plan) changes() []string {
	var lines []string
	if len(p.packages) > 0 {
		lines = append(lines, "install "+strings.Join(p.packages, ", ")+" (apt-get)")
	}
	for _, l := range p.low {
		lines = append(lines, fmt.Sprintf("raise %s from %d to %d", l.name, l.value, l.need))
	}
	if p.running {
		return lines
	}
	lines = append(lines, fmt.Sprintf("start dockerd with its data in %s, on %s (root only, no TCP)", p.m.dataRoot(), p.m.socket()))
	if p.wrap {
		lines = append(lines, "run its containers through a wrapper of runc, since CAP_SYS_RESOURCE is missing here")
	}
	return lines
}

func (p *plan) packagesStage(ctx context.Context, r *Record, step *ui.Step) (done, skipped string, err error) {
	if len(p.packages) == 0 {
		return "", "all installed", nil
	}
	if err := p.m.install(ctx, r, p.packages, step.Update); err != nil {
		return "", "", err
	}
	return "installed " + strings.Join(p.packages, ", "), "", nil
}

func (p *plan) limitsStage(_ context.Context, r *Record, _ *ui.Step) (done, skipped string, err error) {
	if len(p.low) == 0 {
		return "", "high enough", nil
	}
	var raised []string
	for _, l := range p.low {
		if err := p.m.set(r, l.name, fmt.Sprint(l.need)); err != nil {
			return "", "", fmt.Errorf("raising %s: %w\nrun: sysctl %s=%d", l.name, err, l.name, l.need)
		}
		raised = append(raised, fmt.Sprintf("%s %d → %d", strings.TrimPrefix(l.name, "fs.inotify."), l.value, l.need))
	}
	return strings.Join(raised, ", "), "", nil
}

// daemonStage reuses our daemon when it answers, replaces it when it hangs, and
// starts one when there is none, also after a crash.
func (p *plan) daemonStage(ctx context.Context, r *Record, step *ui.Step) (done, skipped string, err error) {
	if p.running {
		if r.Daemon != p.daemon {
			r.Daemon = p.daemon
			if err := p.m.writeRecord(*r); err != nil {
				return "", "", err
			}
		}
		err := p.m.await(ctx, hungTimeout, nil)
		if err == nil {
			err = p.m.afterStart(ctx, r)
		}
		if err == nil {
			return "", fmt.Sprintf("runs already, process %d", p.daemon.PID), nil
		}
		if ctx.Err() != nil {
			return "", "", err
		}
		step.Update(fmt.Sprintf("process %d does not answer; replacing it", p.daemon.PID))
		if err := p.m.stop(ctx, p.daemon, hungTimeout/3); err != nil {
			return "", "", err
		}
	}
	wrap, err := p.m.configure()
	if err != nil {
		return "", "", err
	}
	if err := p.m.beforeFirstStart(ctx, r); err != nil {
		return "", "", err
	}
	began := time.Now()
	if err := p.m.start(ctx, r, step); err != nil {
		return "", "", err
	}
	if err := p.m.afterStart(ctx, r); err != nil {
		return "", "", err
	}
	done = fmt.Sprintf("started, process %d, on %s, in %.1fs", r.Daemon.PID, p.m.socket(), time.Since(began).Seconds())
	if wrap {
		done += ", with the runc wrapper"
	}
	return done, "", nil
}

// afterStart notes which packet filter rules dockerd made. It does so once in a boot:
// later ones may be anybody's.
func (m Machine) afterStart(ctx context.Context, r *Record) error {
	boot, err := m.boot()
	if err != nil || r.Network == nil || r.Network.Boot != boot || r.Network.Made != nil || r.Network.Before == nil {
		return err
	}
	now, err := m.rules(ctx)
	if err != nil {
		return err
	}
	r.Network.Made = now.without(r.Network.Before)
	return m.writeRecord(*r)
}

// bridge reports whether Docker's default bridge exists.
func (m Machine) bridge() bool {
	_, err := net.InterfaceByName("docker0")
	return err == nil
}

// beforeFirstStart notes what dockerd will change of the machine's network, so
// that clean can put it back: it turns forwarding on, adds the bridge docker0
// and sets the FORWARD policy.
func (m Machine) beforeFirstStart(ctx context.Context, r *Record) error {
	boot, err := m.boot()
	if err != nil {
		return err
	}
	if r.Network == nil || r.Network.Boot != boot {
		policy, err := m.forwardPolicy(ctx)
		if err != nil {
			return err
		}
		before, err := m.rules(ctx)
		if err != nil {
			return err
		}
		r.Network = &Network{Boot: boot, Bridge: m.bridge(), ForwardPolicy: policy, Before: before}
		if err := m.writeRecord(*r); err != nil {
			return err
		}
	}
	if err := m.set(r, "net.ipv4.ip_forward", "1"); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
