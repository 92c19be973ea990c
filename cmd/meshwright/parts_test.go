package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/setup"
	"github.com/meshwright/meshwright/internal/ui"
	"github.com/meshwright/meshwright/report"
)

func TestExitCode(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want int
	}{
		"none":        {nil, ExitOK},
		"any":         {errors.New("x"), ExitError},
		"usage":       {usagef("x"), ExitUsage},
		"wrapped":     {fmt.Errorf("y: %w", usagef("x")), ExitUsage},
		"verify":      {&CodedError{Code: ExitVerify}, ExitVerify},
		"interrupted": {&automation.InterruptedError{Operation: "up", Lab: "dev", Err: context.Canceled}, ExitInterrupted},
		"timeout":     {&automation.InterruptedError{Operation: "up", Lab: "dev", Err: context.DeadlineExceeded}, ExitError},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ExitCode(tc.err); got != tc.want {
				t.Errorf("%d, want %d", got, tc.want)
			}
		})
	}
}

func TestMainPrintsOneError(t *testing.T) {
	var out, errs bytes.Buffer
	code := Main(t.Context(), &App{In: strings.NewReader(""), Out: &out, Err: &errs}, []string{"nonsense"})
	if code != ExitUsage || strings.Count(errs.String(), "error:") != 1 || out.Len() != 0 {
		t.Errorf("code %d, stdout %q, stderr %q", code, out.String(), errs.String())
	}
}

// TestShellSettings has a real shell read them, quotes and all.
func TestShellSettings(t *testing.T) {
	var script bytes.Buffer
	env := map[string]string{"PATH": "/kit's/bin", "KUBECONFIG": "/a b/$HOME/`x`"}
	if err := shellSettings(&script, env); err != nil {
		t.Fatal(err)
	}
	script.WriteString(script.String()) // reading them twice changes nothing
	script.WriteString("printf '%s\\n' \"$PATH\" \"$KUBECONFIG\" \"${PULUMI_CONFIG_PASSPHRASE-unset}\"\n")
	cmd := exec.Command("/bin/sh")
	cmd.Stdin, cmd.Env = &script, []string{"PATH=/bin", "PULUMI_CONFIG_PASSPHRASE="}
	got, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("/kit's/bin:/bin\n/a b/$HOME/`x`\nunset\n", string(got)); diff != "" {
		t.Error(diff)
	}
}

// TestDoctorKnowsTheNodesArchitecture: where a lab comes up and timed checks do not.
func TestDoctorKnowsTheNodesArchitecture(t *testing.T) {
	for arch, want := range map[string]string{"amd64": "", "arm64": findingWarn} {
		d := &diagnosis{}
		d.architecture(&setup.Examination{Docker: &setup.Result{Docker: docker.Version{Arch: arch}}})
		got := ""
		for _, f := range d.Findings {
			got += f.Status
			if !strings.Contains(f.Found, arch) || !strings.Contains(f.Remedy, "--full") {
				t.Errorf("%s: %+v", arch, f)
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", arch, got, want)
		}
	}
	d := &diagnosis{}
	if d.architecture(&setup.Examination{}); len(d.Findings) > 0 {
		t.Errorf("without Docker: %+v", d.Findings)
	}
}

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(ui.New(&out, ui.Options{Now: func() time.Time { return time.Time{} }}), "lab dev")
	cluster := automation.Event{Kind: automation.EventStart, Op: "create", URN: "urn:c", Type: "meshwright:kind:Cluster", Name: "cluster1-kind"}
	p.event(cluster)
	p.event(automation.Event{Kind: automation.EventStart, Op: "same", URN: "urn:n", Type: "meshwright:kind:Network", Name: "network"})
	p.event(automation.Event{Kind: automation.EventStart, Op: "create", URN: "urn:s", Type: "kubernetes:core/v1:Secret", Name: "secret"})
	p.event(automation.Event{Kind: automation.EventLog, Severity: "warning", Name: "cluster1-kind", Message: "slow"})
	cluster.Kind = automation.EventDone
	p.event(cluster)
	p.end(nil, "1 created")
	want := `  lab dev ...
  create kind cluster cluster1-kind ...
! cluster1-kind: slow
✓ create kind cluster cluster1-kind
✓ lab dev: 1 created
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestCountsText(t *testing.T) {
	for want, counts := range map[string]map[string]int{
		"nothing to do":          {},
		"3 unchanged":            {"same": 3},
		"1 created, 2 unchanged": {"same": 2, "create": 1},
		"1 updated, 2 deleted":   {"update": 1, "delete": 2},
	} {
		if got := countsText(counts); got != want {
			t.Errorf("%v: %q, want %q", counts, got, want)
		}
	}
}

func TestPreviewTable(t *testing.T) {
	var out bytes.Buffer
	err := previewTable(&out, &automation.PreviewResult{
		Lab: "dev", Duration: time.Second,
		Changes: []automation.Change{
			{Op: "update", Type: "kubernetes:apps/v1:Deployment", Name: "a", Diff: []string{"spec.replicas"}},
			{Op: "replace", Type: "meshwright:kind:Cluster", Name: "b", Diff: []string{"image"}, Replace: []string{"image"}},
		},
		Counts: map[string]int{"update": 1, "replace": 1, "same": 7},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `update   apps/v1:Deployment  a  spec.replicas
replace  kind:Cluster        b  because of image
Lab dev: 1 to update, 1 to replace, 7 unchanged (1s).
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// TestEveryCommandTeaches: a short line, no sentence that ends in a full stop,
// and an example or a description for those that do something.
func TestEveryCommandTeaches(t *testing.T) {
	root := NewRoot(&App{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard})
	for _, cmd := range root.Commands() {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: short help %q", cmd.Name(), cmd.Short)
		}
		if cmd.Name() != "version" && cmd.Example == "" && cmd.Long == "" && !cmd.HasSubCommands() {
			t.Errorf("%s: neither example nor description", cmd.Name())
		}
	}
}

// TestSecretsStayOutOfResults: no document that a command prints holds a
// kubeconfig.
func TestSecretsStayOutOfResults(t *testing.T) {
	out := &automation.Outputs{Lab: "dev", Clusters: []automation.Cluster{{}}}
	out.Clusters[0].Name = "cluster1"
	out.Clusters[0].Kubeconfig = "c4n4ry"
	var b bytes.Buffer
	for _, doc := range []any{
		upDocument(&automation.UpResult{Outputs: out}),
		statusDocument(out, []liveState{{}}),
	} {
		if err := report.JSON(&b, doc); err != nil {
			t.Fatal(err)
		}
	}
	if err := (&App{Out: &b}).upTable(&automation.UpResult{Outputs: out}, ""); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "c4n4ry") || !strings.Contains(b.String(), "cluster1") {
		t.Error(b.String())
	}
}

// TestEvidenceOfAFailedUp: a hung up that ran out of time has as much to tell as one
// that failed. The user who pressed Ctrl-C knows why.
func TestEvidenceOfAFailedUp(t *testing.T) {
	lab, err := automation.New(t.Context(), automation.Options{Name: "two", StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	stopped := func(why error) error {
		return &automation.InterruptedError{Operation: "up", Lab: "two", Resources: 3, Err: why}
	}
	failed := &automation.OperationError{Operation: "up", Lab: "two", Err: errors.New("no room")}
	for name, tc := range map[string]struct {
		err     error
		collect error  // what gathering ends with
		want    string // on stderr; "" when nothing is to be gathered
	}{
		"failed":              {failed, nil, "✓ collect evidence: two.tar.gz"},
		"failed, none to ask": {failed, errors.New("disk full"), "✗ collect evidence: disk full"},
		"failed, nothing is":  {failed, &automation.NotUpError{Lab: "two"}, "collect evidence: nothing is left of the lab"},
		"out of time":         {stopped(context.DeadlineExceeded), nil, "✓ collect evidence: two.tar.gz"},
		"stopped by Ctrl-C":   {stopped(context.Canceled), nil, ""},
		"settings refused":    {&automation.ConfigError{Stack: "dev", Err: errors.New("subnet")}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var talk bytes.Buffer
			a := &App{UI: ui.New(&talk, ui.Options{}), Collect: func(ctx context.Context, _ *automation.Lab) (string, error) {
				if _, bounded := ctx.Deadline(); !bounded {
					t.Error("gathering may take for ever")
				}
				return "two.tar.gz", tc.collect
			}}
			got := a.upFailed(t.Context(), lab, tc.err)
			if !strings.Contains(talk.String(), tc.want) || tc.want == "" && talk.Len() > 0 {
				t.Errorf("says %q, want %q", talk.String(), tc.want)
			}
			if !errors.Is(got, tc.err) || tc.want != "" && strings.Count(errorText(got, " --name two"), "meshwright up --name two") != 1 {
				t.Errorf("error: %v", got)
			}
		})
	}
}

// TestTryLines: what is shown can be typed as it stands, for the lab that is up and
// also in a shell that does not find the command, as after make.
func TestTryLines(t *testing.T) {
	out := &automation.Outputs{Clusters: []automation.Cluster{{}}}
	out.Clusters[0].Name, out.Clusters[0].IngressAddress = "cluster1", "10.0.0.1"
	dir := filepath.Join(t.TempDir(), "my clone", "bin")
	command := filepath.Join(dir, "meshwright")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(command, nil, 0o755); err != nil { //nolint:gosec // a command
		t.Fatal(err)
	}
	lines := `  curl http://10.0.0.1/hello
  eval "$(meshwright env --name two)" && kubectl --context cluster1 get nodes
  meshwright verify --name two
`
	for name, tc := range map[string]struct{ path, executable, want string }{
		"on PATH":            {dir, command, lines},
		"not on PATH":        {"/bin", command, "  export PATH='" + dir + "':\"$PATH\"\n" + lines},
		"under another name": {"/bin", filepath.Join(dir, "test"), lines},
		"nobody knows where": {"/bin", "", lines},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PATH", tc.path)
			var b bytes.Buffer
			if err := (&App{Out: &b, Executable: tc.executable}).tryLines(out, " --name two"); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, b.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestWhatStays: who wants the disk back is told of all of it.
func TestWhatStays(t *testing.T) {
	for name, tc := range map[string]struct {
		packages []string
		want     []string
	}{
		"nothing installed": {nil, []string{"go clean -cache -modcache"}},
		"packages":          {[]string{"docker.io", "gcc"}, []string{"go clean -cache -modcache", "apt-get remove docker.io gcc"}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := (&App{Out: &out}).whatStays(&setup.Cleaned{Packages: tc.packages}); err != nil {
				t.Fatal(err)
			}
			for _, command := range tc.want {
				if !strings.Contains(out.String(), "to empty them: "+command) && !strings.Contains(out.String(), "to remove them: "+command) {
					t.Errorf("%q is not named:\n%s", command, out.String())
				}
			}
			if lines := strings.Count(out.String(), "\n"); lines != len(tc.want) {
				t.Errorf("%d lines, want %d:\n%s", lines, len(tc.want), out.String())
			}
		})
	}
}

func TestProjectDir(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a", "Pulumi.yaml"), []byte("name: another\nruntime: go\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := automation.FindProject(deep); got != "" {
		t.Errorf("another project was taken for ours: %s", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), []byte("name: meshwright\nruntime: go\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := automation.FindProject(deep); got != dir {
		t.Errorf("found %q, want %q", got, dir)
	}
}
