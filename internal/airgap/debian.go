package airgap

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/meshwright/meshwright/airgap"
)

// debootstrap makes the smallest root file system of a Debian release: base.tar.
// The mirror and its keyring are the machine's own and no input: every mirror
// serves the same packages.
type debootstrap struct{ Suite string }

func (d debootstrap) Inputs() any { return d }

func (d debootstrap) Run(ctx context.Context, r *Run) error {
	if _, err := exec.LookPath("debootstrap"); err != nil {
		return fmt.Errorf("%w: run `apt-get install debootstrap`", err)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("debootstrap needs root: run `meshwright airgap build` as root")
	}
	m, err := findMirror("/", d.Suite)
	if err != nil {
		return err
	}
	root := filepath.Join(r.Temp, "root")
	err = r.run(ctx, r.Temp, append(os.Environ(), aptProxy(ctx)...), "debootstrap", "--variant=minbase", "--keyring="+m.Keyring, d.Suite, root, m.URI)
	if err != nil {
		return fmt.Errorf("debootstrap %s: %w", d.Suite, err)
	}
	return r.run(ctx, root, nil, "tar", "--numeric-owner", "--exclude=./var/cache/apt/archives/*.deb", "-cf", filepath.Join(r.Dir, "base.tar"), ".")
}

// aptProxy turns the machine's apt proxy settings into environment variables,
// which debootstrap's downloader understands.
func aptProxy(ctx context.Context) []string {
	var out []string
	for _, scheme := range []string{"http", "https"} {
		cmd := exec.CommandContext(ctx, "apt-config", "shell", "p", "Acquire::"+scheme+"::Proxy") //nolint:gosec // fixed arguments
		line, err := cmd.Output()
		if err != nil {
			continue
		}
		if v := strings.Trim(strings.TrimPrefix(strings.TrimSpace(string(line)), "p="), "'"); v != "" && v != "DIRECT" {
			out = append(out, scheme+"_proxy="+v)
		}
	}
	return out
}

// debianLayer installs packages on top of the result of step From, file
// FromFile, with an embedded script: rootfs.tar, and packages.txt.
type debianLayer struct {
	Suite    string
	From     string
	FromFile string
	Packages []string
	Script   string // below airgap/images
}

// packagesFile lists what is installed, one "name version" a line.
const packagesFile = "packages.txt"

func (d debianLayer) Inputs() any {
	return struct {
		debianLayer
		ScriptText string
	}{d, scriptDigest("install-packages.sh") + scriptDigest(d.Script)}
}

func scriptDigest(name string) string {
	data, err := airgap.Files.ReadFile("images/" + name)
	if err != nil {
		panic(fmt.Sprintf("airgap: %v", err)) // part of the executable
	}
	return digest(data)
}

func (d debianLayer) Run(ctx context.Context, r *Run) error {
	c, err := startContainer(ctx, r, r.Result(d.From, d.FromFile))
	if err != nil {
		return err
	}
	defer c.remove(ctx)
	if err := d.install(ctx, c, r); err != nil {
		return err
	}
	if err := c.script(ctx, d.Script, nil); err != nil {
		return err
	}
	rootfs := filepath.Join(r.Dir, "rootfs.tar")
	if _, err := c.docker.Run(ctx, "export", "--output", rootfs, c.id); err != nil {
		return err
	}
	return os.Chmod(rootfs, 0o644) //nolint:gosec // no secret
}

// install puts the packages into the container, through the machine's own mirror,
// and records the versions.
func (d debianLayer) install(ctx context.Context, c *container, r *Run) error {
	m, err := findMirror("/", d.Suite)
	if err != nil {
		return err
	}
	variables := map[string]string{"SOURCES": m.lines(d.Suite), "PACKAGES": strings.Join(d.Packages, " ")}
	for _, kv := range aptProxy(ctx) {
		k, v, _ := strings.Cut(kv, "=")
		variables[k] = v
	}
	if err := c.script(ctx, "install-packages.sh", variables); err != nil {
		return err
	}
	list, err := c.docker.Output(ctx, c.id, "dpkg-query", "--show", "--showformat=${Package} ${Version}\n")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.Dir, packagesFile), list, 0o644) //nolint:gosec // no secret
}

// comparePackages says which of the locked packages have another version than
// the lock's: a mirror serves only the newest, so a build uses what there is.
// list has one "name version" a line.
func comparePackages(locked map[string]string, list []byte) []string {
	var notes []string
	for line := range bytes.Lines(list) {
		name, version, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		if want, ok := locked[name]; ok && want != version {
			notes = append(notes, fmt.Sprintf("Debian package %s is %s, the lock has %s", name, version, want))
		}
	}
	return notes
}
