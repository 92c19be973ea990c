// Package cli lives a lab's life with the plain pulumi command on real clusters, in
// the shell settings that `meshwright env` prints, and hands it to the driver and
// back. What needs no cluster of it is tested in package automation.
//
// It runs when MESHWRIGHT_E2E=1; it needs Docker, the airgap kit and bin/meshwright.
package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/testkit/executable"
)

const lab = "plain"

// shell runs commands in the settings of `meshwright env`.
type shell struct{ env []string }

func (s shell) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = s.env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", filepath.Base(name), strings.Join(args, " "), err, out.String(), errs.String())
	}
	if strings.Contains(errs.String(), "warning:") {
		t.Errorf("%s %s warns:\n%s", filepath.Base(name), strings.Join(args, " "), errs.String())
	}
	return out.String()
}

func TestPlainCommandLineOnClusters(t *testing.T) {
	if os.Getenv("MESHWRIGHT_E2E") == "" {
		t.Skip("set MESHWRIGHT_E2E=1 to run on real clusters")
	}
	client, err := docker.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e, err := executable.New("../../bin/meshwright", client)
	if err != nil {
		t.Fatal(err)
	}
	bin, state := e.Path, e.State
	t.Cleanup(func() { // after a failure; a lab that is gone is no error
		defer e.Close()
		if _, err := e.Run(context.Background(), "destroy", "--name", lab); err != nil {
			t.Error(err)
		}
	})
	s := shell{env: e.Environment()}

	var document struct{ Environment map[string]string }
	if err := json.Unmarshal([]byte(s.run(t, bin, "env", "--init", "--name", lab, "--artifacts", "airgap", "--output", "json")), &document); err != nil {
		t.Fatal(err)
	}
	settings := document.Environment
	driver := s
	for k, v := range settings {
		if k == "PATH" {
			v += string(os.PathListSeparator) + os.Getenv("PATH")
		}
		s.env = append(s.env, k+"="+v)
	}
	pulumi := func(args ...string) string {
		t.Helper()
		return s.run(t, filepath.Join(settings["PATH"], "pulumi"), append([]string{"-C", settings["MESHWRIGHT_WORKSPACE"]}, args...)...)
	}

	// A plan made before the clusters exist cannot bind their Releases, whose
	// charts are rendered for a cluster: plans are for a lab that is up.
	pulumi("up", "--yes", "--skip-preview")
	plan := filepath.Join(state, "plan.json")
	pulumi("config", "set", "--path", "meshwright:traffic.mode", "failover")
	pulumi("preview", "--save-plan", plan)
	pulumi("up", "--yes", "--skip-preview", "--plan", plan)
	if shown := pulumi("stack", "output", "--json"); !strings.Contains(shown, "failover") {
		t.Errorf("the planned change is not in force:\n%s", shown)
	}
	pulumi("config", "rm", "meshwright:traffic")
	pulumi("up", "--yes", "--skip-preview")
	pulumi("refresh", "--yes", "--skip-preview")
	pulumi("preview", "--expect-no-changes", "--json")
	if shown := pulumi("stack", "output", "--json"); strings.Contains(shown, "client-key-data") {
		t.Error("kubeconfigs are shown unasked")
	}
	if shown := pulumi("stack", "output", "--json", "--show-secrets"); !strings.Contains(shown, "client-key-data") {
		t.Error("kubeconfigs are not shown when asked for")
	}

	// The driver takes over, and has nothing to do.
	driver.run(t, bin, "up", "--name", lab, "--expect-no-changes")
	driver.run(t, bin, "verify", "--name", lab)

	// Back to the command line, to the end.
	pulumi("preview", "--expect-no-changes")
	pulumi("destroy", "--yes", "--skip-preview")
	pulumi("stack", "rm", "--yes", lab)
	driver.run(t, bin, "destroy", "--name", lab)
	if left, err := filepath.Glob(filepath.Join(state, "meshwright", "labs", "*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
