// Package clitest lets tests run the real pulumi command, the kit's, on programs
// and resource plugins that the test binary itself serves: no clusters, no
// network, nothing of the user's.
package clitest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/internal/provider"
	"github.com/meshwright/meshwright/internal/provider/plugins"
)

// Serve makes the test binary a plugin or a program when it was started under
// the name of one, and does not return then. TestMain calls it first.
func Serve(programs map[string]pulumi.RunFunc) {
	if name, ok := plugins.FromArgv0(os.Args[0]); ok {
		if err := provider.Main(name, plugins.All(plugins.Options{})[name]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if program, ok := programs[filepath.Base(os.Args[0])]; ok {
		pulumi.Run(program)
		os.Exit(0)
	}
}

// kit is the machine's, found before a test moves the home directory.
var kit = paths.Kit()

// CLI is the pulumi command in one directory and environment.
type CLI struct {
	Dir string
	Env []string // over this process's environment without its PULUMI_ variables
}

// Need skips the test where the kit has no pulumi command, or fails it when
// MESHWRIGHT_REQUIRE_APISERVER=1, which says that the kit is built.
func Need(tb testing.TB) {
	tb.Helper()
	if _, err := os.Stat(pulumiPath()); err != nil {
		if os.Getenv("MESHWRIGHT_REQUIRE_APISERVER") == "1" {
			tb.Fatal(err)
		}
		tb.Skipf("no pulumi command to test with: %v; build the kit with `meshwright airgap build`", err)
	}
}

func pulumiPath() string { return filepath.Join(kit, "bin", "pulumi") }

// Project makes a project of that name whose program and plugins the test binary
// serves; see Serve. Its backend, home and passphrase are the test's own.
func Project(tb testing.TB, name string, pluginNames ...string) CLI {
	tb.Helper()
	Need(tb)
	dir := tb.TempDir()
	text := fmt.Sprintf("name: %s\nruntime: {name: go, options: {binary: %s}}\nplugins:\n  providers:\n", name, filepath.Join(dir, "bin", name))
	links := []string{name}
	for _, p := range pluginNames {
		text += fmt.Sprintf("    - {name: %s, path: %s}\n", p, filepath.Join(dir, "bin"))
		links = append(links, "pulumi-resource-"+p)
	}
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	for _, sub := range []string{"bin", "state", "home"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			tb.Fatal(err)
		}
	}
	for _, link := range links {
		if err := os.Symlink(self, filepath.Join(dir, "bin", link)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return CLI{Dir: dir, Env: []string{
		"PULUMI_BACKEND_URL=file://" + filepath.Join(dir, "state"), "PULUMI_HOME=" + filepath.Join(dir, "home"),
		"PULUMI_CONFIG_PASSPHRASE=passphrase", "PULUMI_SKIP_UPDATE_CHECK=true", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true",
	}}
}

// Try runs the command and returns what it printed. A failure is an error that
// carries its standard error.
func (c CLI) Try(tb testing.TB, args ...string) (stdout, stderr string, err error) {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), pulumiPath(), args...)
	cmd.Dir = c.Dir
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "PULUMI_") })
	cmd.Env = append(append(env, "PATH="+filepath.Dir(pulumiPath())+string(os.PathListSeparator)+os.Getenv("PATH"), "NO_COLOR=1"), c.Env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("pulumi %s: %w\n%s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String(), errs.String(), err
}

// Run is Try for what must succeed. A warning is a failure: what is offline and
// complete has nothing to warn of.
func (c CLI) Run(tb testing.TB, args ...string) string {
	tb.Helper()
	stdout, stderr, err := c.Try(tb, args...)
	if err != nil {
		tb.Fatal(err)
	}
	if strings.Contains(stderr, "warning:") {
		tb.Errorf("pulumi %s warns:\n%s", strings.Join(args, " "), stderr)
	}
	return stdout
}
