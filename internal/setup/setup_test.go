package setup

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConsent(t *testing.T) {
	full := &plan{packages: []string{"docker.io"}, low: []lowLimit{{limits[1], 128}}, wrap: true}
	for name, tc := range map[string]struct {
		plan     *plan
		terminal bool
		approved bool
		answer   string
		refused  string // a part of the error; empty means consent
		asked    bool
	}{
		"nothing to change":   {plan: &plan{running: true}},
		"approved beforehand": {plan: full, approved: true},
		"yes":                 {plan: full, terminal: true, answer: "y\n", asked: true},
		"no":                  {plan: full, terminal: true, answer: "n\n", asked: true, refused: "nothing was changed"},
		"just enter":          {plan: full, terminal: true, answer: "\n", asked: true, refused: "nothing was changed"},
		"end of input":        {plan: full, terminal: true, asked: true, refused: "nothing was changed"},
		"no terminal":         {plan: full, answer: "y\n", refused: "run: MESHWRIGHT_SETUP=1 meshwright setup"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			o := Options{In: strings.NewReader(tc.answer), Out: &out, Terminal: tc.terminal, Approved: tc.approved}
			err := o.consent(t.Context(), tc.plan)
			if tc.refused == "" && err != nil || tc.refused != "" && (err == nil || !strings.Contains(err.Error(), tc.refused)) {
				t.Errorf("error %v, want %q", err, tc.refused)
			}
			if asked := strings.Contains(out.String(), "[y/N]"); asked != tc.asked {
				t.Errorf("asked is %t: %q", asked, out.String())
			}
			for _, change := range []string{"install docker.io", "max_user_instances from 128 to 1024", "wrapper of runc"} {
				if tc.asked && !strings.Contains(out.String(), change) {
					t.Errorf("%q is not told: %q", change, out.String())
				}
			}
		})
	}
}

// TestConsentInterrupted: Ctrl-C at the question ends it.
func TestConsentInterrupted(t *testing.T) {
	in, write, err := os.Pipe() // nobody ever writes an answer
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	defer in.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = Options{In: in, Out: &strings.Builder{}, Terminal: true}.consent(ctx, &plan{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestMissing(t *testing.T) {
	found := func(name string) (string, error) {
		if name == "iptables" || name == "pip" {
			return "/bin/" + name, nil
		}
		return "", os.ErrNotExist
	}
	got := missing(append(slices.Clone(dockerTools), kitTools...), found)
	if diff := cmp.Diff([]string{"debootstrap", "docker.io"}, got); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
}

// TestTools: a lab from the registries needs nothing but Docker; a C compiler is for
// tests alone.
func TestTools(t *testing.T) {
	none := func(string) (string, error) { return "", os.ErrNotExist }
	for name, tc := range map[string]struct {
		options Options
		want    []string
	}{
		"a lab":               {Options{}, nil},
		"a lab from the kit":  {Options{kit: true}, []string{"debootstrap", "python3-pip"}},
		"tests with the kit":  {Options{kit: true, Tests: true}, []string{"debootstrap", "gcc", "libc6-dev", "python3-pip"}},
		"tests without a kit": {Options{Tests: true}, []string{"gcc", "libc6-dev"}},
	} {
		if diff := cmp.Diff(tc.want, missing(tc.options.tools(), none)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	clang := func(name string) (string, error) {
		if name == "cc" {
			return "/usr/bin/cc", nil
		}
		return none(name)
	}
	if got := missing(testTools, clang); len(got) > 0 {
		t.Errorf("with another compiler: %v", got)
	}
}

// TestUseOrdinary: of a Docker that is there nothing is changed, and what else is
// missing is said.
func TestUseOrdinary(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	m, found := fakeMachine(t, nil), &Result{}
	if err := m.useOrdinary(Options{}, found); err != nil {
		t.Error(err)
	}
	if err := m.useOrdinary(Options{Tests: true}, found); err == nil || !strings.Contains(err.Error(), "apt-get install gcc libc6-dev") {
		t.Errorf("tests without a compiler: %v", err)
	}
}

// TestInstall runs the installation against a stand-in for apt-get.
func TestInstall(t *testing.T) {
	m := fakeMachine(t, map[string]string{"/usr/sbin/x": ""})
	var commands []string
	var fail error
	m.exec = func(_ context.Context, env []string, name string, args ...string) ([]byte, error) {
		commands = append(commands, name+" "+strings.Join(args, " "))
		if _, err := os.Stat(m.path(policyFile)); err != nil {
			t.Error("package scripts may start services")
		}
		if r, err := m.readRecord(); err != nil || !slices.Contains(r.Packages, "docker.io") {
			t.Errorf("not recorded beforehand: %+v, %v", r, err)
		}
		if !slices.Contains(env, "DEBIAN_FRONTEND=noninteractive") {
			t.Errorf("apt-get may ask questions: %q", env)
		}
		return nil, fail
	}
	r := Record{Version: recordVersion}
	if err := m.install(t.Context(), &r, []string{"docker.io", "iptables"}, func(string) {}); err != nil {
		t.Fatal(err)
	}
	const lock = "apt-get -q -o DPkg::Lock::Timeout=120 "
	want := []string{lock + "update", lock + "install --yes --no-install-recommends docker.io iptables"}
	if diff := cmp.Diff(want, commands); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
	fail = errors.New("no network")
	if err := m.install(t.Context(), &r, []string{"jq"}, func(string) {}); !errors.Is(err, fail) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(m.path(policyFile)); err == nil {
		t.Error("services stay off after a failed installation")
	}
}

func TestInstallKeepsAPolicy(t *testing.T) {
	m := fakeMachine(t, map[string]string{policyFile: "#!/bin/sh\nexit 0\n"})
	restore, err := m.keepServicesOff()
	if err != nil {
		t.Fatal(err)
	}
	if err := restore(); err != nil {
		t.Fatal(err)
	}
	if got := string(readFile(t, m.path(policyFile))); got != "#!/bin/sh\nexit 0\n" {
		t.Errorf("the administrator's policy is now %q", got)
	}
}

func TestChooseArtifacts(t *testing.T) {
	down := func(context.Context) error { return errors.New("quay.io does not answer") }
	up := func(context.Context) error { return nil }
	for name, tc := range map[string]struct {
		asked string
		probe func(context.Context) error
		want  string
	}{
		"registries answer":      {ArtifactsAuto, up, ArtifactsRegistry},
		"one does not":           {ArtifactsAuto, down, ArtifactsAirgap},
		"the zero value is auto": {"", up, ArtifactsRegistry},
		"asked for airgap":       {ArtifactsAirgap, up, ArtifactsAirgap},
		"asked for registry":     {ArtifactsRegistry, down, ArtifactsRegistry},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (Options{Artifacts: tc.asked}).chooseArtifacts(t.Context(), tc.probe); got != tc.want {
				t.Errorf("chose %s, want %s", got, tc.want)
			}
		})
	}
}
