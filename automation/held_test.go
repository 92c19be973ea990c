package automation

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/components/cluster"
	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/testkit/clitest"
)

// fakeDockerFile names the file in which the docker command that this test binary
// is, under that name, keeps its networks.
const fakeDockerFile = "MESHWRIGHT_TEST_DOCKER"

// fakeDocker is the docker command of a daemon that knows networks and has no
// containers. It returns the exit code.
func fakeDocker(args []string) int {
	var networks []docker.Network
	data, err := os.ReadFile(os.Getenv(fakeDockerFile))
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
		err = os.WriteFile(os.Getenv(fakeDockerFile), data, 0o600)
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

// TestOneLabOneState: of the driver and a pulumi command with a state of its own,
// as in a checkout, neither takes the other's lab over; with the driver's own state
// the command goes on.
func TestOneLabOneState(t *testing.T) {
	networks := onFakeDocker(t)
	home := t.TempDir()
	t.Setenv("XDG_STATE_HOME", home)
	lab := cliLab(t, func(o *Options) { o.StateDir = filepath.Join(home, "meshwright") })
	lab.program = func(*artifacts.Set) pulumi.RunFunc { return networkAlone }
	whole, err := New(t.Context(), lab.o)
	if err != nil {
		t.Fatal(err)
	}
	lab.twins, lab.sweep = whole.twins, whole.sweep
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
