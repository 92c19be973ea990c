package diff

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/automation/changes"
	"github.com/meshwright/meshwright/automation/internal/engine"
	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/internal/testkit/tree"
)

// program is the source of a Pulumi program that deploys one namespace, labelled
// with what its settings say, and whatever else more holds.
const program = `package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		var p pulumi.ProviderResourceState
		if err := ctx.RegisterResource("pulumi:providers:kubernetes", "c-kubernetes", pulumi.Map{"kubeconfig": pulumi.String("")}, &p); err != nil {
			return err
		}
		deploy := func(typ, name string, props pulumi.Map) error {
			var r pulumi.CustomResourceState
			return ctx.RegisterResource(typ, name, props, &r, pulumi.Provider(&p))
		}
		%s
		return deploy("kubernetes:core/v1:Namespace", "c-namespace", pulumi.Map{"metadata": pulumi.Map{
			"name": pulumi.String("n"), "labels": pulumi.Map{"team": pulumi.String(config.Get(ctx, "meshwright:team"))},
		}})
	})
}
`

// repository makes a Git repository of a project and returns its directory and a
// function that runs git in it.
func repository(t *testing.T) (string, func(args ...string) string) {
	t.Helper()
	for _, name := range []string{"git", "go"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip(err)
		}
	}
	dir := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=t", "-c", "user.email=t@invalid", "-c", "commit.gpgsign=false"}, args...)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "--quiet", "--initial-branch=main")
	// The versions are the module's own, which are on this machine.
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, regexp.MustCompile(`(?m)^module .*`).ReplaceAllString(string(data), "module example.invalid/program"))
	}
	write(t, dir, "Pulumi.yaml", "name: meshwright\nruntime: go\nplugins:\n  providers:\n    - {name: meshwright, path: no-such-directory}\n")
	write(t, dir, ".gitignore", "ignored\n")
	return dir, git
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func settingsOf(team string) string { return fmt.Sprintf("config:\n  meshwright:team: %s\n", team) }

func TestDiffOfRevisions(t *testing.T) {
	t.Parallel()
	if _, err := engine.Find(t.Context(), paths.Kit(), slog.New(slog.DiscardHandler)); err != nil {
		t.Skip(err)
	}
	dir, git := repository(t)
	// A component that the base alone has, which this executable knows nothing of.
	write(t, dir, "main.go", fmt.Sprintf(program, `var c pulumi.ResourceState
		if err := ctx.RegisterComponentResource("old:component:Gone", "c-gone", &c); err != nil {
			return err
		}
		if err := deploy("kubernetes:core/v1:ServiceAccount", "c-account", pulumi.Map{}); err != nil {
			return err
		}`))
	write(t, dir, "Pulumi.dev.yaml", settingsOf("red"))
	write(t, dir, "Pulumi.calm.yaml", settingsOf("grey"))
	git("add", ".")
	git("commit", "--quiet", "-m", "base")
	base := git("rev-parse", "HEAD")
	git("switch", "--quiet", "-c", "topic")
	write(t, dir, "main.go", fmt.Sprintf(program, `if err := deploy("kubernetes:core/v1:ServiceAccount", "c-account", pulumi.Map{}); err != nil {
			return err
		}`))
	write(t, dir, "Pulumi.extra.yaml", settingsOf("new"))
	git("add", ".")
	git("commit", "--quiet", "-m", "head")
	// Not committed: the settings alone, and a file of which Git knows nothing yet.
	write(t, dir, "Pulumi.dev.yaml", settingsOf("blue"))
	write(t, dir, "Pulumi.untracked.yaml", settingsOf("x"))
	write(t, dir, "ignored", "x")
	before := tree.Read(t, dir)

	options := Options{ProjectDir: dir, KitDir: paths.Kit(), CacheDir: filepath.Join(t.TempDir(), "programs")}
	run := func(revisions string) *changes.Report {
		t.Helper()
		o := options
		o.Revisions = revisions
		r, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	what := func(r *changes.Report) map[string]string {
		out := map[string]string{}
		for _, s := range r.Stacks {
			out[s.Name] = fmt.Sprintf("%s %+v", s.What, s.Counts)
		}
		return out
	}

	committed := run("main..topic")
	want := map[string]string{
		"calm":  "update {Replaced:0 Removed:1 Changed:0 Added:0 Same:4}",
		"dev":   "update {Replaced:0 Removed:1 Changed:0 Added:0 Same:4}",
		"extra": "create {Replaced:0 Removed:0 Changed:0 Added:4 Same:0}",
	}
	if diff := cmp.Diff(want, what(committed)); diff != "" {
		t.Error(diff)
	}
	if committed.Base != base[:12] || !strings.Contains(lines(t, committed), "REMOVED c-gone (old:component:Gone)") {
		t.Errorf("base %s:\n%s", committed.Base, lines(t, committed))
	}

	// The working tree: the program is the same, so that it is compiled no more.
	working := run("topic")
	want = map[string]string{
		"calm": "same {Replaced:0 Removed:0 Changed:0 Added:0 Same:4}", "extra": "same {Replaced:0 Removed:0 Changed:0 Added:0 Same:4}",
		"dev": "update {Replaced:0 Removed:0 Changed:1 Added:0 Same:3}", "untracked": "create {Replaced:0 Removed:0 Changed:0 Added:4 Same:0}",
	}
	if diff := cmp.Diff(want, what(working)); diff != "" {
		t.Error(diff)
	}
	if text := lines(t, working); working.Head != "the working tree" || !strings.Contains(text, `~ metadata.labels.team: "red" -> "blue"`) {
		t.Errorf("the working tree is %q:\n%s", working.Head, text)
	}
	if programs, err := os.ReadDir(options.CacheDir); err != nil || len(programs) != 2 {
		t.Errorf("%d programs were compiled for two sources: %v", len(programs), err)
	}

	options.Stacks = []string{"dev"}
	if r := run(""); r.Base != base[:12] || len(r.Stacks) != 1 || r.Stacks[0].Counts != (changes.Counts{Removed: 1, Changed: 1, Same: 3}) {
		t.Errorf("from the default branch to the working tree: %+v", r)
	}
	if r := run("main..main"); len(r.Stacks) != 0 || r.Changed() {
		t.Errorf("a revision against itself: %+v", r)
	}
	for revisions, says := range map[string]string{
		"nope": `"nope" is no revision`, "..topic": "write BASE..HEAD", "-x": "no revision", "main..": "write BASE..HEAD",
	} {
		o := options
		o.Revisions = revisions
		if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", revisions, err, says)
		}
	}
	options.Stacks, options.Revisions = []string{"none"}, "main..topic"
	if _, err := Run(t.Context(), options); err == nil || !strings.Contains(err.Error(), "there are: calm, dev, extra") {
		t.Errorf("an unknown stack: %v", err)
	}

	// Wherever it is cancelled, that and nothing else is the error.
	for _, during := range []string{"", "compile the program of ", "compare stack "} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		o := options
		o.Stacks = nil
		switch during {
		case "":
			cancel()
		case "compile the program of ":
			o.CacheDir = t.TempDir()
		}
		o.Progress = func(what string) {
			if strings.HasPrefix(what, during) {
				cancel()
			}
		}
		began := time.Now()
		r, err := Run(ctx, o)
		if r != nil || !errors.Is(err, context.Canceled) || err.Error() != context.Canceled.Error() || time.Since(began) > 5*time.Second {
			t.Errorf("cancelled during %q: %v, after %s", during, err, time.Since(began))
		}
	}
	if diff := cmp.Diff(before, tree.Read(t, dir)); diff != "" {
		t.Errorf("the user's checkout or repository was changed: %s", diff)
	}
}

func TestDiffOutsideARepository(t *testing.T) {
	_, err := Run(t.Context(), Options{ProjectDir: t.TempDir(), KitDir: paths.Kit()})
	if err == nil || !strings.Contains(err.Error(), "in no Git repository") {
		t.Errorf("got %v", err)
	}
}
