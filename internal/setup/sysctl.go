package setup

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Sysctl is a kernel setting that setup has changed.
type Sysctl struct {
	Name     string `json:"name"`     // "fs.inotify.max_user_instances"
	Previous string `json:"previous"` // what it was, and is to be again
	Set      string `json:"set"`      // what we made it
	Boot     string `json:"boot"`     // the boot in which that was; a later one starts anew
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

// low returns the limits that are below what is needed, with the value found.
func (m Machine) low() (map[limit]int, error) {
	low := map[limit]int{}
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
			low[l] = value
		}
	}
	return low, nil
}

// set changes a kernel setting and notes in the record what it was. What it was
// before our first change in this boot is what counts; the note is written by
// the caller's save before the change is made.
func (m Machine) set(r *Record, name, value string, save func(Record) error) error {
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
	if err := save(*r); err != nil {
		return err
	}
	return os.WriteFile(m.sysctl(name), []byte(value+"\n"), 0o644) //nolint:gosec // the kernel decides its mode
}

// note adds a change to the record.
func (r *Record) note(s Sysctl) {
	for i, old := range r.Sysctls {
		if old.Name != s.Name {
			continue
		}
		if old.Boot == s.Boot {
			s.Previous = old.Previous
		}
		r.Sysctls[i] = s
		return
	}
	r.Sysctls = append(r.Sysctls, s)
}

// restore puts the kernel settings back and returns one line for each that it
// changed or left. A setting that someone else has changed since is theirs.
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
			if err := os.WriteFile(m.sysctl(s.Name), []byte(s.Previous+"\n"), 0o644); err != nil { //nolint:gosec // the kernel decides its mode
				errs = append(errs, err)
				continue
			}
			lines = append(lines, fmt.Sprintf("%s %s → %s", s.Name, now, s.Previous))
		}
	}
	return lines, errors.Join(errs...)
}
