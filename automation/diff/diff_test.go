package diff

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/automation/changes"
	"github.com/meshwright/meshwright/automation/internal/engine"
	"github.com/meshwright/meshwright/automation/internal/workspace"
	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/stacks"
)

// testSide is a revision whose program runs in this process.
func testSide(t *testing.T, root, label string, program pulumi.RunFunc, settings map[string]string) *side {
	t.Helper()
	files := map[string]string{"Pulumi.yaml": "name: meshwright\nruntime: go\n"}
	for stack, text := range settings {
		files["Pulumi."+stack+".yaml"] = text
	}
	return sideOf(t, root, label, program, files)
}

// sideOf is a revision of these files whose program runs in this process.
func sideOf(t *testing.T, root, label string, program pulumi.RunFunc, files map[string]string) *side {
	t.Helper()
	dir := filepath.Join(root, label)
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := openSide(label, dir, ".")
	if err != nil {
		t.Fatal(err)
	}
	s.inline = program
	if s.project != nil { // as compile does
		if err := s.writeProject(); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// compareSides compares two programs in this process. It skips where there is no engine.
func compareSides(t *testing.T, program [2]pulumi.RunFunc, base, head map[string]string) *changes.Report {
	t.Helper()
	cli, err := engine.Find(t.Context(), paths.Kit(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Skip(err)
	}
	tmp := t.TempDir()
	c := &comparison{
		base: testSide(t, tmp, "base", program[0], base), head: testSide(t, tmp, "head", program[1], head),
		engine: cli, dir: tmp,
	}
	all, err := c.stacks(nil)
	if err != nil {
		t.Fatal(err)
	}
	report := &changes.Report{Version: changes.Version, Source: changes.Computed, Base: "base", Head: "head"}
	if report.Stacks, err = c.all(t.Context(), all, func(string) {}); err != nil {
		t.Fatal(err)
	}
	report.Sort()
	return report
}

func committed(t *testing.T, stack string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "Pulumi."+stack+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// lines are a report's text, to look for things in.
func lines(t *testing.T, r *changes.Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.Text(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// both is a comparison in which the program stays the same.
func both(program pulumi.RunFunc) [2]pulumi.RunFunc { return [2]pulumi.RunFunc{program, program} }

// TestDiffOfTheProgram compares the project's own program on several stacks, each
// of which changes in another way.
func TestDiffOfTheProgram(t *testing.T) {
	t.Parallel()
	dev := committed(t, "dev")
	change := func(old, now string) string {
		if !strings.Contains(dev, old) {
			t.Fatalf("Pulumi.dev.yaml has no %q", old)
		}
		return strings.Replace(dev, old, now, 1)
	}
	three := committed(t, "three-region")
	from, to := strings.Index(three, "    - name: cluster2"), strings.Index(three, "    - name: cluster3")
	if from < 0 || to < from {
		t.Fatal("Pulumi.three-region.yaml has no cluster2 before cluster3")
	}
	threeWithout2 := three[:from] + three[to:]
	// What an up makes: the graph that the golden file holds, and the stack itself.
	data, err := os.ReadFile(filepath.Join("..", "..", "stacks", "testdata", "dev.json"))
	if err != nil {
		t.Fatal(err)
	}
	var graph []json.RawMessage
	if err := json.Unmarshal(data, &graph); err != nil {
		t.Fatal(err)
	}
	made := len(graph) + 1

	tests := map[string]struct {
		base, head string // settings; empty: no such stack
		what       string
		counts     func(changes.Counts) bool
		has, not   []string
	}{
		"same": {
			base: dev, head: dev + "# a remark\n", what: changes.Same, counts: func(c changes.Counts) bool { return c == changes.Counts{Same: made} },
		},
		"label": {
			base: dev, head: change("zone: zone2, subzone: subzone2", "zone: zone2, subzone: elsewhere"), what: changes.Changed,
			counts: func(c changes.Counts) bool { return c == changes.Counts{Changed: 1, Same: made - 1} },
			has:    []string{"changed cluster2-kind (meshwright:kind:Cluster)", `"subzone2" -> "elsewhere"`},
		},
		"podsubnet": {
			base: dev, head: change("helloworld: [v1]", "helloworld: [v1]\n      podSubnet: 10.77.0.0/16"), what: changes.Changed,
			counts: func(c changes.Counts) bool {
				return c.Replaced > 15 && c.Removed+c.Added+c.Changed == 0 && c.Replaced+c.Same == made
			},
			has: []string{
				"cluster2: the cluster is REPLACED, with everything in it", "REPLACED cluster2-kind (meshwright:kind:Cluster) because of podSubnet",
				"! podSubnet: ", `-> "10.77.0.0/16"`, "REPLACED cluster2-istio-istiod", "REPLACED cluster1-watches-cluster2-secret",
			},
			not: []string{"REPLACED cluster1-kind", "REPLACED network", "cluster1: the cluster"},
		},
		// The engine itself runs here, with the provider that keeps the addresses.
		"oneless": {
			base: three, head: threeWithout2, what: changes.Changed,
			counts: func(c changes.Counts) bool { return c.Removed > 40 && c.Changed == 1 && c.Replaced+c.Added == 0 },
			has:    []string{"cluster2: the cluster is REMOVED", "changed addresses (meshwright:kind:Addresses)"},
			not:    []string{"REPLACED"},
		},
		"onemore": {
			base: threeWithout2, head: three, what: changes.Changed,
			counts: func(c changes.Counts) bool { return c.Added > 40 && c.Changed == 1 && c.Replaced+c.Removed == 0 },
			has:    []string{"cluster2: a new cluster"},
			not:    []string{"REPLACED"},
		},
		"gone": {
			base: dev, what: changes.Removed, counts: func(c changes.Counts) bool { return c == changes.Counts{Removed: made} },
			has: []string{"THE STACK'S SETTINGS ARE REMOVED", "cluster1: the cluster is REMOVED"},
		},
		"fresh": {
			head: dev, what: changes.Added, counts: func(c changes.Counts) bool { return c == changes.Counts{Added: made} },
			// Every address is there.
			has: []string{"cluster1: a new cluster", "spec.addresses[0]: \"10.", `"https://`},
			not: []string{changes.Unknown, "simulated.invalid"},
		},
	}
	base, head := map[string]string{}, map[string]string{}
	for name, tc := range tests {
		if tc.base != "" {
			base[name] = tc.base
		}
		if tc.head != "" {
			head[name] = tc.head
		}
	}
	r := compareSides(t, both(stacks.ProgramWith(artifacts.Registry())), base, head)
	if len(r.Stacks) != len(tests) {
		t.Fatalf("%d stacks, want %d", len(r.Stacks), len(tests))
	}
	for _, s := range r.Stacks {
		t.Run(s.Name, func(t *testing.T) {
			tc := tests[s.Name]
			text := lines(t, &changes.Report{Version: changes.Version, Stacks: []changes.Stack{s}})
			if s.What != tc.what || !tc.counts(s.Counts) {
				t.Errorf("the stack is %s, %+v, want %s", s.What, s.Counts, tc.what)
			}
			for _, want := range tc.has {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in:\n%s", want, text)
				}
			}
			for _, not := range tc.not {
				if strings.Contains(text, not) {
					t.Errorf("%q in:\n%s", not, text)
				}
			}
		})
	}
}

// awkward is a program with a secret that turns up in several places, texts that
// would do something in Markdown, and a name that nobody chose.
func awkward(secret, text string) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		var p pulumi.ProviderResourceState
		if err := ctx.RegisterResource("pulumi:providers:kubernetes", "k", pulumi.Map{"kubeconfig": pulumi.String("")}, &p); err != nil {
			return err
		}
		for name, props := range map[string]pulumi.Map{
			"first":  {"data": pulumi.Map{"password": pulumi.ToSecret(pulumi.String(secret)), "leak": pulumi.String("x" + secret + "y")}},
			"second": {"data": pulumi.Map{"text": pulumi.String(text)}, "metadata": pulumi.Map{"name": pulumi.String("second")}},
		} {
			var r pulumi.CustomResourceState
			if err := ctx.RegisterResource("kubernetes:core/v1:ConfigMap", name, props, &r, pulumi.Provider(&p)); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestDiffHidesSecretsAndEscapes(t *testing.T) {
	t.Parallel()
	const before, after = "pa55-before", "pa55-after!"
	evil := "@octocat <script> `x`\n```\n# heading #1 \u202e"
	settings := map[string]string{"dev": "config: {}\n"}
	run := func() *changes.Report {
		return compareSides(t, [2]pulumi.RunFunc{awkward(before, "harmless"), awkward(after, evil)}, settings, settings)
	}
	first := run()
	markdown := first.Markdown(changes.MaxMarkdown)
	for _, secret := range []string{before, after} {
		if strings.Contains(markdown+lines(t, first), secret) {
			t.Errorf("%s is shown:\n%s", secret, markdown)
		}
	}
	for _, want := range []string{`data.leak: "x[secret]y" -> "x[secret]y"`, "data.password: [secret] -> [secret]", "-   harmless"} {
		if !strings.Contains(markdown, want) {
			t.Errorf("no %s in:\n%s", want, markdown)
		}
	}
	// The text stands in a block that it cannot end, its line breaks and invisible
	// characters escaped.
	if !strings.Contains(markdown, "\n````diff\n") || strings.Contains(markdown, "\n# heading") || strings.Contains(markdown, "\u202e") {
		t.Errorf("the text is not contained:\n%s", markdown)
	}
	if again := run().Markdown(changes.MaxMarkdown); again != markdown {
		t.Errorf("another time it is:\n%s", cmp.Diff(markdown, again))
	}
}

func TestDiffOfABrokenProgram(t *testing.T) {
	t.Parallel()
	broken := func(*pulumi.Context) error { return errors.New("the program would not") }
	cli, err := engine.Find(t.Context(), paths.Kit(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Skip(err)
	}
	tmp := t.TempDir()
	settings := map[string]string{"dev": "config: {}\n"}
	c := &comparison{
		base: testSide(t, tmp, "base", awkward("secret", ""), settings), head: testSide(t, tmp, "head", broken, settings),
		engine: cli, dir: tmp,
	}
	_, err = c.all(t.Context(), []string{"dev"}, func(string) {})
	if err == nil || !strings.Contains(err.Error(), "head: simulation of lab dev failed") || !strings.Contains(err.Error(), "the program would not") || strings.Contains(err.Error(), tmp) {
		t.Errorf("got %v", err)
	}
}

func TestEncryptedSettingsStandForThemselves(t *testing.T) {
	read := func(text string) string {
		t.Helper()
		s, err := workspace.Parse("Pulumi.dev.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := standIn(s); err != nil {
			t.Fatal(err)
		}
		if s.Config.HasSecureValue() || s.EncryptionSalt != "" {
			t.Error("something is encrypted still")
		}
		out, err := s.Config.Decrypt(ciphertexts{})
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for key, value := range out {
			all = append(all, key.String()+"="+value)
		}
		slices.Sort(all)
		return strings.Join(all, "\n")
	}
	const form = "encryptionsalt: v1:abc\nconfig:\n  meshwright:a: {secure: %s}\n  meshwright:b: {x: {secure: %s}, y: 1}\n  meshwright:c: plain\n"
	one, same, other := read(fmt.Sprintf(form, "AAAA", "AAAA")), read(fmt.Sprintf(form, "AAAA", "AAAA")), read(fmt.Sprintf(form, "BBBB", "AAAA"))
	if one != same || one == other || strings.Contains(one, "AAAA") || !strings.Contains(one, "meshwright:c=plain") {
		t.Errorf("got\n%s\nand\n%s", one, other)
	}
}
