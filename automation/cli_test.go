package automation

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	commandprovider "github.com/pulumi/pulumi-command/sdk/go/command"
	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/provider/plugins"
	"github.com/meshwright/meshwright/internal/testkit/clitest"
	"github.com/meshwright/meshwright/stacks"
)

// keyAndFile is a program without clusters: a key, and a file that holds its
// public part; with the outputs that a stack has.
func keyAndFile(ctx *pulumi.Context) error {
	certificates, err := tls.NewProvider(ctx, "tls", nil)
	if err != nil {
		return err
	}
	commands, err := commandprovider.NewProvider(ctx, "command", nil)
	if err != nil {
		return err
	}
	key, err := tls.NewPrivateKey(ctx, "key", &tls.PrivateKeyArgs{Algorithm: pulumi.String("ED25519")}, pulumi.Provider(certificates))
	if err != nil {
		return err
	}
	file := fileOf(ctx.Stack())
	made, err := local.NewCommand(ctx, "file", &local.CommandArgs{
		Create: pulumi.String(`cat >"$FILE" && echo made`), Delete: pulumi.String(`rm "$FILE"`),
		Environment: pulumi.StringMap{"FILE": pulumi.String(file)}, Stdin: key.PublicKeyOpenssh,
	}, pulumi.Provider(commands))
	if err != nil {
		return err
	}
	ctx.Export("file", made.Stdout)
	ctx.Export("key", key.PrivateKeyPem)
	ctx.Export("lab", pulumi.String(ctx.Stack()))
	ctx.Export("clusters", pulumi.Map{"cluster1": pulumi.Map{
		"name": pulumi.String("cluster1"), "kubeconfig": pulumi.ToSecret(pulumi.String(kubeconfig)),
	}})
	return nil
}

// fileOf is the file that keyAndFile makes.
func fileOf(stack string) string { return filepath.Join(os.TempDir(), "meshwright-"+stack) }

// cliLab is a lab of keyAndFile, whose program and plugins this test binary serves
// to the plain command line as the meshwright executable would. Its name, and with it the
// program's file, is no other test's.
func cliLab(t *testing.T, change func(*Options)) *Lab {
	t.Helper()
	clitest.Need(t)
	name := "plain-" + strings.ToLower(rand.Text()[:12])
	t.Cleanup(func() { os.Remove(fileOf(name)) })
	lab := testLab(t, name, t.TempDir(), newWorld(), "ok")
	lab.program = func(*artifacts.Set) pulumi.RunFunc { return keyAndFile }
	lab.twins = plugins.All(plugins.Options{})
	var err error
	if lab.o.Executable, err = os.Executable(); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&lab.o)
	}
	return lab
}

// shell is the plain pulumi command in the setting of `meshwright env`.
func shell(t *testing.T, lab *Lab) clitest.CLI {
	t.Helper()
	env, err := lab.Environment(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cli := clitest.CLI{Dir: env["MESHWRIGHT_WORKSPACE"]}
	for k, v := range env {
		if k != "PATH" {
			cli.Env = append(cli.Env, k+"="+v)
		}
	}
	return cli
}

// TestPlainCommandLine lives a lab's life with the pulumi command alone.
func TestPlainCommandLine(t *testing.T) {
	t.Parallel()
	lab := cliLab(t, nil)
	if err := lab.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	cli := shell(t, lab)
	file := fileOf(lab.Name())

	var preview struct {
		Steps []struct{ Op string } `json:"steps"`
	}
	if err := json.Unmarshal([]byte(cli.Run(t, "preview", "--json")), &preview); err != nil || len(preview.Steps) != 5 {
		t.Errorf("preview --json: %d steps, want the stack, two providers and two resources: %v", len(preview.Steps), err)
	}
	plan := filepath.Join(t.TempDir(), "plan.json")
	cli.Run(t, "preview", "--save-plan", plan)
	if text, err := os.ReadFile(plan); err != nil || bytes.Contains(text, []byte("PRIVATE KEY")) {
		t.Errorf("the plan is missing or holds a key in the clear: %v", err)
	}
	cli.Run(t, "up", "--yes", "--skip-preview", "--plan", plan)
	if text, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(text), "ssh-ed25519 ") {
		t.Errorf("%s: %q, %v", file, text, err)
	}
	cli.Run(t, "refresh", "--yes", "--skip-preview")
	cli.Run(t, "preview", "--expect-no-changes")
	cli.Run(t, "up", "--yes", "--skip-preview", "--expect-no-changes")

	if shown := cli.Run(t, "stack", "output", "--json"); strings.Contains(shown, "PRIVATE KEY") || strings.Contains(shown, canary) {
		t.Errorf("secrets are shown unasked:\n%s", shown)
	}
	var outputs map[string]any
	if err := json.Unmarshal([]byte(cli.Run(t, "stack", "output", "--json", "--show-secrets")), &outputs); err != nil {
		t.Fatal(err)
	}
	if key, _ := outputs["key"].(string); !strings.Contains(key, "PRIVATE KEY") || outputs["file"] != "made" {
		t.Errorf("outputs: %v", outputs)
	}
	if out, err := lab.Outputs(t.Context()); err != nil || lab.WriteKubeconfig(out) != nil {
		t.Errorf("the driver cannot use what the command line brought up: %v", err)
	}
	checkPrivate(t, lab)

	cli.Run(t, "destroy", "--yes", "--skip-preview")
	if _, err := os.Stat(file); err == nil {
		t.Errorf("destroy left %s", file)
	}
	cli.Run(t, "stack", "rm", "--yes", "--preserve-config", lab.Name())
	if _, err := lab.Destroy(t.Context()); err != nil {
		t.Errorf("destroy of a lab whose stack is gone: %v", err)
	}
}

// loads is a project whose program reads its configuration and does nothing else.
const loads = "loads"

func load(ctx *pulumi.Context) error {
	_, err := stacks.Load(ctx)
	return err
}

// TestThePlainCommandRefusesMisspeltSettings: it has no driver to look at them.
func TestThePlainCommandRefusesMisspeltSettings(t *testing.T) {
	t.Parallel()
	cli := clitest.Project(t, loads, "meshwright")
	cli.Run(t, "stack", "init", "dev")
	cli.Run(t, "config", "set", "--path", "meshwright:clusters[0].name", "cluster1")
	cli.Run(t, "config", "set", "--path", "meshwright:clusters[0].network", "network1")
	cli.Run(t, "preview")
	cli.Run(t, "config", "set", "--path", "meshwright:trafic.mode", "failover")
	if out, _, err := cli.Try(t, "preview"); err == nil || !strings.Contains(out+err.Error(), "meshwright:trafic: unknown setting") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestDriverAndCommandLine: what one brings up the other manages, with nothing to
// change in between.
func TestDriverAndCommandLine(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Options){
		"own backend":     nil,
		"another backend": func(o *Options) { o.Backend = "file://" + t.TempDir() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lab := cliLab(t, change)
			if _, err := lab.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			cli := shell(t, lab)
			cli.Run(t, "preview", "--expect-no-changes")
			cli.Run(t, "destroy", "--yes", "--skip-preview")
			cli.Run(t, "up", "--yes", "--skip-preview")

			if again, err := lab.Up(t.Context(), ExpectNoChanges()); err != nil || again.Changed() {
				t.Errorf("up after the command line's: %v", err)
			}
			if out, err := lab.Outputs(t.Context()); err != nil || len(out.Clusters) != 1 {
				t.Errorf("outputs of the command line's up: %v, %v", out, err)
			}
			if _, err := lab.Destroy(t.Context()); err != nil {
				t.Error(err)
			}
			if lab.o.Backend != "" {
				left, err := filepath.Glob(filepath.Join(strings.TrimPrefix(lab.o.Backend, "file://"), ".pulumi/stacks/meshwright/*.json"))
				if err != nil || len(left) > 0 {
					t.Errorf("destroy left stacks in the backend: %v, %v", left, err)
				}
			}
		})
	}
}
