package automation

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/components/cluster"
	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/testkit/clitest"
	"github.com/meshwright/meshwright/internal/testkit/tree"
	"github.com/meshwright/meshwright/report"
)

// fakeDockerFile names the file in which the docker command that this test binary
// is, under that name, keeps its networks. The daemon at unix:///second has one of its
// own beside it, and where there is none no daemon answers.
const fakeDockerFile = "MESHWRIGHT_TEST_DOCKER"

// fakeDocker is the docker command of daemons that know networks and have no
// containers. It returns the exit code.
func fakeDocker(args []string) int {
	const standard = "unix:///var/run/docker.sock"
	host := cmp.Or(os.Getenv("DOCKER_HOST"), standard)
	if args[0] == "context" {
		fmt.Printf(`{"Name": "default", "Host": %q}`, host)
		return 0
	}
	file := os.Getenv(fakeDockerFile)
	if host != standard {
		file += "." + path.Base(host)
	}
	var networks []docker.Network
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(os.Stderr, "Cannot connect to the Docker daemon at %s. Is the docker daemon running?\n", host)
		return 1
	}
	if err == nil {
		err = json.Unmarshal(data, &networks)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	find := func(name string) int {
		return slices.IndexFunc(networks, func(n docker.Network) bool { return n.Name == name || n.ID == name })
	}
	switch strings.Join(args[:min(2, len(args))], " ") {
	case "version --format":
		fmt.Println(`{"Engine": "20", "API": "1.41", "OS": "linux", "Arch": "amd64"}`)
	case "info --format":
		fmt.Printf(`{"id": "one for all of a machine", "root": %q}`, file)
	case "container ls":
	case "network ls":
	next:
		for _, n := range networks {
			for i, arg := range args {
				if arg != "--filter" {
					continue
				}
				label, value, _ := strings.Cut(strings.TrimPrefix(args[i+1], "label="), "=")
				if n.Labels[label] != value {
					continue next
				}
			}
			fmt.Println(n.ID)
		}
	case "network inspect":
		var found []docker.Network
		for _, name := range args[2:] {
			i := find(name)
			if i < 0 {
				fmt.Fprintln(os.Stderr, "Error: No such network: "+name)
				return 1
			}
			found = append(found, networks[i])
		}
		_ = json.NewEncoder(os.Stdout).Encode(found)
	case "network create":
		n := docker.Network{Name: args[len(args)-1], Labels: map[string]string{}}
		n.ID = "id-of-" + n.Name
		n.IPAM.Config = append(n.IPAM.Config, struct{ Subnet, IPRange, Gateway string }{})
		for i, arg := range args {
			switch arg {
			case "--label":
				k, v, _ := strings.Cut(args[i+1], "=")
				n.Labels[k] = v
			case "--subnet":
				n.IPAM.Config[0].Subnet = args[i+1]
			case "--gateway":
				n.IPAM.Config[0].Gateway = args[i+1]
			}
		}
		networks = append(networks, n)
		fmt.Println(n.ID)
	case "network rm":
		if i := find(args[2]); i >= 0 {
			networks = slices.Delete(networks, i, i+1)
		}
	default:
		fmt.Fprintln(os.Stderr, "the fake docker does not know:", args)
		return 1
	}
	if data, err = json.Marshal(networks); err == nil {
		err = os.WriteFile(file, data, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// onFakeDocker makes the fake the machine's Docker, for this process and for those
// that it starts, and returns what lists its networks.
func onFakeDocker(t *testing.T) (networks func() string) {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "networks.json")
	if err := errors.Join(os.Symlink(self, filepath.Join(dir, "docker")), os.WriteFile(file, []byte("[]"), 0o600)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("DOCKER_HOST", "")
	t.Setenv(fakeDockerFile, file)
	return func() string {
		t.Helper()
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
}

// networkAlone is a program of a lab's Docker network, with the outputs of a stack.
func networkAlone(ctx *pulumi.Context) error {
	if _, err := cluster.NewNetwork(ctx, "network", &cluster.NetworkArgs{
		Lab: pulumi.String(ctx.Stack()), Name: pulumi.String("meshwright-" + ctx.Stack()), Subnet: pulumi.String("10.192.0.0/20"),
	}); err != nil {
		return err
	}
	ctx.Export("lab", pulumi.String(ctx.Stack()))
	ctx.Export("clusters", pulumi.Map{"cluster1": pulumi.Map{
		"name": pulumi.String("cluster1"), "kubeconfig": pulumi.ToSecret(pulumi.String(kubeconfig)),
	}})
	return nil
}

// networkLab is a lab of networkAlone on the fake Docker, kept where the pulumi command
// looks, too, and what lists Docker's networks. Whole is the lab without test doubles.
func networkLab(t *testing.T) (lab, whole *Lab, networks func() string) {
	t.Helper()
	networks = onFakeDocker(t)
	home := t.TempDir()
	t.Setenv("XDG_STATE_HOME", home)
	lab = cliLab(t, func(o *Options) { o.StateDir = filepath.Join(home, "meshwright") })
	lab.program = func(*artifacts.Set) pulumi.RunFunc { return networkAlone }
	whole, err := New(t.Context(), lab.o)
	if err != nil {
		t.Fatal(err)
	}
	lab.twins, lab.sweep = whole.twins, whole.sweep
	return lab, whole, networks
}

// TestOneLabOneState: of the driver and a pulumi command with a state of its own,
// as in a checkout, neither takes the other's lab over; with the driver's own state
// the command goes on.
func TestOneLabOneState(t *testing.T) {
	lab, _, networks := networkLab(t)
	checkout := clitest.Project(t, "meshwright", "meshwright")
	checkout.Run(t, "stack", "init", lab.Name())
	const none = "[]"

	// The command's lab.
	checkout.Run(t, "up", "--yes", "--skip-preview")
	made := networks()
	command := fmt.Sprintf("cd %s && PULUMI_BACKEND_URL=file://%s/state pulumi destroy --stack %s", checkout.Dir, checkout.Dir, lab.Name())
	for name, operation := range map[string]func() error{
		"preview": func() error { _, err := lab.Preview(t.Context()); return err },
		"up":      func() error { _, err := lab.Up(t.Context()); return err },
		"prepare": func() error { return lab.Prepare(t.Context()) },
		"destroy": func() error { _, err := lab.Destroy(t.Context()); return err },
	} {
		var held *HeldError
		if err := operation(); !errors.As(err, &held) || !strings.Contains(err.Error(), command) {
			t.Errorf("%s of the command's lab: %v, want %q in it", name, err, command)
		}
	}
	var notUp *NotUpError
	if _, err := lab.Environment(t.Context()); !errors.As(err, &notUp) {
		t.Errorf("settings for a lab of which the driver has no state: %v", err)
	}
	if now := networks(); now != made {
		t.Errorf("the command's network was changed: %s", now)
	}
	// Docker may be away while the driver looks: the owner file stays all the same.
	t.Run("without Docker", func(t *testing.T) {
		t.Setenv("DOCKER_HOST", "unix:///no-such-socket")
		t.Setenv(fakeDockerFile, "no such file")
		if _, err := lab.Preview(t.Context()); err != nil {
			t.Error(err)
		}
	})
	checkout.Run(t, "destroy", "--yes", "--skip-preview")
	if now := networks(); now != none {
		t.Fatalf("the command's destroy left %s", now)
	}

	// The driver's lab.
	if _, err := lab.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	made = networks()
	if _, _, err := checkout.Try(t, "up", "--yes", "--skip-preview"); err == nil || !strings.Contains(err.Error(), "meshwright destroy --name "+lab.Name()) {
		t.Errorf("the command's up of the driver's lab: %v", err)
	}
	if now := networks(); now != made {
		t.Errorf("the driver's network was changed: %s", now)
	}
	cli := shell(t, lab)
	cli.Run(t, "refresh", "--yes", "--skip-preview", "--expect-no-changes")
	cli.Run(t, "preview", "--expect-no-changes")
	cli.Run(t, "destroy", "--yes", "--skip-preview")
	cli.Run(t, "up", "--yes", "--skip-preview")
	if again, err := lab.Up(t.Context(), ExpectNoChanges()); err != nil || again.Changed() {
		t.Errorf("up after the command line's with the driver's state: %v", err)
	}
	if _, err := lab.Destroy(t.Context()); err != nil || networks() != none {
		t.Errorf("destroy: %v, left %s", err, networks())
	}

	// A state that is lost.
	checkout.Run(t, "up", "--yes", "--skip-preview")
	if _, err := lab.Destroy(t.Context(), Force()); err != nil || networks() != none {
		t.Errorf("forced destroy: %v, left %s", err, networks())
	}
	checkout.Run(t, "destroy", "--yes", "--skip-preview")
}

// TestOneLabOneDaemon: where another daemon answers, or none, every operation that would
// change something refuses before it does.
func TestOneLabOneDaemon(t *testing.T) {
	lab, whole, networks := networkLab(t)
	lab.addresses = whole.addresses

	operations := map[string]func() error{
		"up":              func() error { _, err := lab.Up(t.Context()); return err },
		"up with refresh": func() error { _, err := lab.Up(t.Context(), WithRefresh()); return err },
		"refresh":         func() error { _, err := lab.Refresh(t.Context()); return err },
		"destroy":         func() error { _, err := lab.Destroy(t.Context()); return err },
		"forced destroy":  func() error { _, err := lab.Destroy(t.Context(), Force()); return err },
	}
	refused := func(reason string, is func(error) bool) {
		t.Helper()
		made, state := networks(), tree.Read(t, lab.Dir())
		for name, operation := range operations {
			if err := operation(); !is(err) {
				t.Errorf("%s on %s: %v", name, reason, err)
			}
		}
		if now := networks(); now != made {
			t.Errorf("on %s: the lab's network was changed: %s", reason, now)
		}
		if diff := gocmp.Diff(state, tree.Read(t, lab.Dir())); diff != "" {
			t.Errorf("on %s: the lab's directory was changed: %s", reason, diff)
		}
	}
	unreachable := func(err error) bool { return errors.Is(err, docker.ErrUnreachable) }

	// A new lab is not made without Docker, nor on another machine.
	for host, want := range map[string]error{"unix:///absent": docker.ErrUnreachable, "tcp://ci.example:2375": docker.ErrRemote, "ssh://ci.example": docker.ErrRemote} {
		t.Setenv("DOCKER_HOST", host)
		if _, err := lab.Up(t.Context()); !errors.Is(err, want) || len(report.Remedies(err)) != 1 {
			t.Errorf("up on %s: %v", host, err)
		}
		if _, err := os.Stat(lab.Dir()); err == nil {
			t.Errorf("up on %s left the lab's directory", host)
		}
	}

	t.Setenv("DOCKER_HOST", "")
	if _, err := lab.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if env, err := lab.Environment(t.Context()); err != nil || env["DOCKER_HOST"] != "unix:///var/run/docker.sock" {
		t.Errorf("the shell's daemon: %q, %v", env["DOCKER_HOST"], err)
	}

	t.Setenv("DOCKER_HOST", "unix:///second")
	if err := os.WriteFile(os.Getenv(fakeDockerFile)+".second", []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused("another daemon", func(err error) bool {
		var other *OtherDaemonError
		return errors.As(err, &other) && other.Has.Host == "unix:///var/run/docker.sock" && len(report.Remedies(err)) == 2
	})
	if _, err := lab.Preview(t.Context()); err == nil || !strings.Contains(err.Error(), "is on another Docker daemon") {
		t.Errorf("preview on another daemon: %v", err)
	}
	if env, err := lab.Environment(t.Context()); err != nil || env["DOCKER_HOST"] != "unix:///var/run/docker.sock" {
		t.Errorf("the shell's daemon: %q, %v", env["DOCKER_HOST"], err)
	}
	t.Setenv("DOCKER_HOST", "unix:///absent")
	refused("no daemon", unreachable)

	t.Setenv("DOCKER_HOST", "")
	if up, err := lab.Up(t.Context()); err != nil || up.Changed() {
		t.Errorf("up on the lab's daemon: %v", err)
	}

	// What the state protects stays, and is named first.
	cli := shell(t, lab)
	protect := func(what string) { cli.Run(t, "state", what, "--all", "--yes") }
	protect("protect")
	made := networks()
	for name, opts := range map[string][]DestroyOption{"destroy": nil, "forced destroy": {Force()}} {
		if _, err := lab.Destroy(t.Context(), opts...); err == nil || !strings.Contains(err.Error(), "has protected resources") || !strings.Contains(err.Error(), "network") {
			t.Errorf("%s of a protected lab: %v", name, err)
		}
	}
	if now := networks(); now != made {
		t.Errorf("the protected network was changed: %s", now)
	}
	protect("unprotect")
	if _, err := lab.Destroy(t.Context()); err != nil || networks() != "[]" {
		t.Errorf("destroy: %v, left %s", err, networks())
	}
}
