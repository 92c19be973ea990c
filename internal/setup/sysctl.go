package setup

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Sysctl is a kernel setting that setup has changed.
type Sysctl struct {
	Name     string `json:"name"`     // "fs.inotify.max_user_instances"
	Previous string `json:"previous"` // what it was, and is to be again
	Set      string `json:"set"`      // what we made it
	Boot     string `json:"boot"`     // the boot in which that was; a later one resets it
}

// limit is a kernel setting that must have at least a value.
type limit struct {
	name string
	need int
	why  string
}

// limits are what kubelet, containerd, systemd and istiod use up in every node.
// Two clusters with a mesh were seen to hold 54 instances, four nodes 95; the
// kernel's default is 128, which a third cluster or anything else exhausts, and
// what fails then says "too many open files".
var limits = []limit{
	{"fs.inotify.max_user_watches", 524288, "inotify watches"},
	{"fs.inotify.max_user_instances", 1024, "inotify instances"},
}

func (m Machine) sysctl(name string) string {
	return m.path("/proc/sys", strings.ReplaceAll(name, ".", "/"))
}

func (m Machine) readSysctl(name string) (string, error) {
	data, err := os.ReadFile(m.sysctl(name))
	return strings.TrimSpace(string(data)), err
}

func (m Machine) writeSysctl(name, value string) error {
	return os.WriteFile(m.sysctl(name), []byte(value+"\n"), 0o644) //nolint:gosec // the kernel decides its mode
}

// lowLimit is a limit that is below what is needed, with its value.
type lowLimit struct {
	limit
	value int
}

func (m Machine) low() ([]lowLimit, error) {
	var low []lowLimit
	for _, l := range limits {
		text, err := m.readSysctl(l.name)
		if err != nil {
			return nil, err
		}
		value, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", l.name, err)
		}
		if value < l.need {
			low = append(low, lowLimit{l, value})
		}
	}
	return low, nil
}

// set changes a kernel setting. Before that it records what the setting was ahead of
// our first change in this boot.
func (m Machine) set(r *Record, name, value string) error {
	boot, err := m.boot()
	if err != nil {
		return err
	}
	now, err := m.readSysctl(name)
	if err != nil {
		return err
	}
	if now == value {
		return nil
	}
	r.note(Sysctl{Name: name, Previous: now, Set: value, Boot: boot})
	if err := m.writeRecord(*r); err != nil {
		return err
	}
	return m.writeSysctl(name, value)
}

// note adds a change to the record.
func (r *Record) note(s Sysctl) {
	i := slices.IndexFunc(r.Sysctls, func(old Sysctl) bool { return old.Name == s.Name })
	if i < 0 {
		r.Sysctls = append(r.Sysctls, s)
		return
	}
	if r.Sysctls[i].Boot == s.Boot {
		s.Previous = r.Sysctls[i].Previous
	}
	r.Sysctls[i] = s
}

// restore puts the kernel settings back and returns one line for each that it
// changed or left. A setting that someone else has changed since is left.
func (m Machine) restore(r Record) ([]string, error) {
	boot, err := m.boot()
	if err != nil {
		return nil, err
	}
	var lines []string
	var errs []error
	for _, s := range r.Sysctls {
		if s.Boot != boot {
			continue // the reboot has restored it
		}
		now, err := m.readSysctl(s.Name)
		switch {
		case err != nil:
			errs = append(errs, err)
		case now == s.Previous:
		case now != s.Set:
			lines = append(lines, fmt.Sprintf("%s is %s now, which is not our %s: left", s.Name, now, s.Set))
		default:
			if err = m.writeSysctl(s.Name, s.Previous); err == nil {
				lines = append(lines, fmt.Sprintf("%s %s → %s", s.Name, now, s.Previous))
			}
			errs = append(errs, err)
		}
	}
	return lines, errors.Join(errs...)
}
