package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// tool is a Debian package and the commands without all of which it is missing.
type tool struct {
	pkg      string
	commands []string
}

var (
	// dockerTools are what a Docker daemon needs.
	dockerTools = []tool{
		{"docker.io", []string{"dockerd"}},
		{"docker.io", []string{"docker"}},
		{"iptables", []string{"iptables"}},
	}
	// kitTools are what `meshwright airgap build` needs besides Go and Docker.
	kitTools = []tool{
		{"debootstrap", []string{"debootstrap"}},
		{"python3-pip", []string{"pip3", "pip"}},
	}
	// testTools are what `make test` needs besides. A C compiler links Go's race
	// detector; Debian packages it apart from the C library's headers.
	testTools = []tool{
		{"gcc", []string{"gcc", "cc"}},
		{"libc6-dev", []string{"gcc", "cc"}},
	}
)

// tools are those that the work ahead needs besides Docker.
func (o Options) tools() []tool {
	var tools []tool
	if o.kit {
		tools = append(tools, kitTools...)
	}
	if o.Tests {
		tools = append(tools, testTools...)
	}
	return tools
}

// missing returns the packages whose commands the machine lacks, sorted. found
// looks a command up.
func missing(tools []tool, found func(string) (string, error)) []string {
	var packages []string
	for _, t := range tools {
		if !slices.ContainsFunc(t.commands, func(command string) bool { _, err := found(command); return err == nil }) {
			packages = append(packages, t.pkg)
		}
	}
	slices.Sort(packages)
	return slices.Compact(packages)
}

// install installs packages with apt-get and records each beforehand, so that
// also an interrupted installation is known.
func (m Machine) install(ctx context.Context, r *Record, packages []string, update func(string)) error {
	for _, p := range packages {
		if !slices.Contains(r.Packages, p) {
			r.Packages = append(r.Packages, p)
		}
	}
	if err := m.writeRecord(*r); err != nil {
		return err
	}
	restore, err := m.keepServicesOff()
	if err != nil {
		return err
	}
	env := []string{"DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1"}
	apt := func(args ...string) error {
		_, err := m.run(ctx, env, "apt-get", append([]string{"-q", "-o", "DPkg::Lock::Timeout=120"}, args...)...)
		return err
	}
	update("apt-get update")
	err = apt("update")
	if err == nil {
		update("apt-get install")
		err = apt(append([]string{"install", "--yes", "--no-install-recommends"}, packages...)...)
	}
	if err == nil && slices.Contains(packages, "docker.io") {
		// Since Debian 13 the docker command is a package of its own.
		if _, absent := lookPath("docker"); absent != nil && m.exec == nil {
			err = apt("install", "--yes", "--no-install-recommends", "docker-cli")
			r.Packages = append(r.Packages, "docker-cli")
		}
	}
	if err := errors.Join(err, restore()); err != nil {
		return fmt.Errorf("installing packages: %w\nif an installation was interrupted, run: dpkg --configure -a", err)
	}
	return m.writeRecord(*r)
}

// policyFile is asked by Debian's package scripts whether to start a service
// (invoke-rc.d(8)).
const policyFile = "/usr/sbin/policy-rc.d"

// keepServicesOff keeps a package's scripts from starting Docker themselves
// where there is no systemd: that daemon would run without the settings that this
// machine needs. With systemd the distribution's own service is used. A policy that
// exists already is left alone.
func (m Machine) keepServicesOff() (restore func() error, err error) {
	nothing := func() error { return nil }
	path := m.path(policyFile)
	remove := func() error { return removeIfThere(path) }
	if _, err := os.Stat(m.path("/run/systemd/system")); err == nil {
		return nothing, nil
	}
	const content = "#!/bin/sh\n# Written by `meshwright setup` for one installation; safe to remove.\nexit 101\n"
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755) //nolint:gosec // it is a program
	if errors.Is(err, fs.ErrExist) {
		if data, err := os.ReadFile(path); err == nil && string(data) == content {
			return remove, nil // left by an interrupted set-up
		}
		return nothing, nil
	}
	if err != nil {
		return nil, err
	}
	_, err = f.WriteString(content)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return remove, nil
}
