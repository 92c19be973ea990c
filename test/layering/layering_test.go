// Package layering holds the imports to one direction: cmd →
// automation → stacks → components, with internal packages that know nothing of
// those above them, and a verification that knows nothing of Pulumi.
package layering

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/meshwright/meshwright"

// rule says what a package, and those below it, may not import, itself or
// through others. Paths that start with a slash are this module's.
type rule struct {
	of  string
	not []string
	why string
}

// machine is what nothing that works on a running mesh may know: how it was made.
var machine = []string{
	"github.com/pulumi", "github.com/docker", "/stacks", "/components", "/automation", "/cmd",
	"/internal/airgap", "/internal/artifacts", "/internal/component", "/internal/docker", "/internal/provider", "/internal/setup",
}

var rules = []rule{
	{
		of: "/components", not: []string{"/stacks", "/automation", "/cmd"},
		why: "components are composed by stacks",
	},
	{
		of: "/stacks", not: []string{"/automation", "/cmd"},
		why: "the driver runs stacks",
	},
	{
		of: "/automation", not: []string{"/cmd"},
		why: "the driver is a library: no command line in it",
	},
	{
		of: "/mesh", not: append([]string{"/verify", "/fault", "/load", "/drill", "/report"}, machine...),
		why: "it reads a mesh, however it was deployed; verify judges",
	},
	{of: "/mesh/topology", not: []string{module, "k8s.io"}, why: "everything may import it"},
	{
		of: "/report", not: append([]string{"/mesh/collect", "/verify", "/fault", "/load", "/drill", "k8s.io"}, machine...),
		why: "a report needs nothing of what made it",
	},
	{of: "/load", not: append([]string{"/verify", "/fault", "/drill"}, machine...), why: "it generates load, for checks and drills alike"},
	{of: "/fault", not: append([]string{"/verify", "/drill"}, machine...), why: "a fault does not depend on who observes it"},
	{of: "/drill", not: append([]string{"/verify"}, machine...), why: "a drill measures; verify checks"},
	{of: "/verify", not: machine, why: "it checks a mesh, however it was deployed"},
	{
		of: "/internal/airgap", not: []string{"/stacks", "/components", "/automation"},
		why: "the kit knows no topology",
	},
	{
		of: "/internal/provider", not: []string{"/stacks", "/components", "/automation", "/cmd"},
		why: "a provider knows resources, not labs",
	},
	{
		of: "/automation/changes", not: []string{"/internal", "/stacks", "/components", "github.com/pulumi", "k8s.io"},
		why: "a report needs nothing of what made it",
	},
	{of: "/cmd/pull-request-comment", not: []string{"github.com/pulumi", "k8s.io", "/stacks", "/components"}, why: "it compiles in seconds"},
	{of: "/internal/revision", not: []string{"/automation", "/stacks", "/components", "github.com/pulumi", "k8s.io"}, why: "it knows Git and Go"},
	{of: "/internal/docker", not: []string{"github.com/pulumi", "k8s.io"}, why: "it is a client of Docker alone"},
	{of: "/internal/setup", not: []string{"github.com/pulumi", "k8s.io"}, why: "it prepares a machine, and no mesh"},
	{of: "/internal/paths", not: []string{module, "github.com/pulumi"}, why: "everything imports it"},
	{of: "/internal/ui", not: []string{module, "github.com/pulumi"}, why: "everything imports it"},
	{
		of: "", not: []string{
			"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/helm/v3",
			"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/yaml",
			"github.com/pulumi/pulumi/pkg/v3",
		},
		why: "it takes minutes and gigabytes to compile",
	},
}

type listed struct {
	ImportPath string
	Deps       []string
}

func TestImports(t *testing.T) {
	packages := list(t)
	if len(packages) < 10 {
		t.Fatalf("only %d packages found", len(packages))
	}
	for _, p := range packages {
		for _, r := range rules {
			for _, dep := range violations(p, r) {
				t.Errorf("%s imports %s: %s", p.ImportPath, dep, r.why)
			}
		}
	}
}

// TestRules: each rule notices an import that it forbids, and spares the package
// it is about.
func TestRules(t *testing.T) {
	for _, r := range rules {
		for _, not := range r.not {
			p := listed{ImportPath: full(r.of) + "/x", Deps: []string{"fmt", full(not)}}
			if got := violations(p, r); len(got) != 1 {
				t.Errorf("%s may import %s", r.of, not)
			}
		}
		if got := violations(listed{ImportPath: full(r.of), Deps: []string{full(r.of) + "/y", "fmt"}}, r); len(got) > 0 {
			t.Errorf("%s may not import %v", r.of, got)
		}
	}
}

func violations(p listed, r rule) []string {
	if !within(p.ImportPath, full(r.of)) {
		return nil
	}
	var found []string
	for _, dep := range p.Deps {
		if within(dep, full(r.of)) && r.of != "" {
			continue
		}
		for _, not := range r.not {
			if within(dep, full(not)) {
				found = append(found, dep)
			}
		}
	}
	return found
}

func full(path string) string {
	if path == "" || strings.HasPrefix(path, "/") {
		return module + path
	}
	return path
}

// within reports whether a package is the root or below it. A root that is a
// domain's prefix, such as k8s.io, counts too.
func within(pkg, root string) bool { return pkg == root || strings.HasPrefix(pkg, root+"/") }

func list(t *testing.T) []listed {
	t.Helper()
	dependOnSources(t)
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Deps", "./...")
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var packages []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// dependOnSources looks at every source file, so that go test's cache, which
// notices what a test looks at but not what its child processes do, runs the
// test anew when one changes.
func dependOnSources(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "bin" || len(d.Name()) > 2 && d.Name()[0] == '.') {
			return filepath.SkipDir
		}
		if filepath.Ext(path) == ".go" {
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
