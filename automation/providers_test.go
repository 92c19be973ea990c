package automation

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/report"
)

func TestChooseProviders(t *testing.T) {
	for name, tc := range map[string]struct {
		asked     string
		record    *Record
		artifacts string
		want      string
		fallsBack bool
	}{
		"new, from registries":        {"", nil, ArtifactsRegistry, ProvidersOfficial, true},
		"new, airgap":                 {"", nil, ArtifactsAirgap, ProvidersEmbedded, false},
		"new, asked":                  {ProvidersEmbedded, nil, ArtifactsRegistry, ProvidersEmbedded, false},
		"there, embedded":             {"", &Record{Providers: ProvidersEmbedded}, ArtifactsRegistry, ProvidersEmbedded, false},
		"there, official":             {"", &Record{Providers: ProvidersOfficial}, ArtifactsRegistry, ProvidersOfficial, false},
		"there, before the choice":    {"", &Record{}, ArtifactsRegistry, ProvidersEmbedded, false},
		"there, changed by the flag":  {ProvidersOfficial, &Record{Providers: ProvidersEmbedded}, ArtifactsRegistry, ProvidersOfficial, false},
		"there, and back by the flag": {ProvidersEmbedded, &Record{Providers: ProvidersOfficial}, ArtifactsRegistry, ProvidersEmbedded, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := &Lab{o: Options{Providers: tc.asked}}
			got := l.chooseProviders(tc.record, tc.artifacts)
			if got.source != tc.want || got.asked == tc.fallsBack || got.why == "" {
				t.Errorf("%+v, want %s", got, tc.want)
			}
		})
	}
}

// installed puts plugins of the official names and versions into the user's plugin
// cache; this test binary serves them.
func installed(t *testing.T, names ...string) {
	t.Helper()
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(home, "cache"))
	t.Setenv("PULUMI_HOME", "")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		dir := filepath.Join(home, ".pulumi", "plugins", fmt.Sprintf("resource-%s-v%s", name, officialVersions()[name]))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(self, filepath.Join(dir, "pulumi-resource-"+name)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOfficialProviders: where the plugins are installed, a new lab uses them and
// says so in its record; the driver serves none of them itself.
func TestOfficialProviders(t *testing.T) {
	lab := cliLab(t, nil)
	installed(t, "kubernetes", "tls", "command")
	lab.o.Providers = ""
	for name := range officialVersions() {
		lab.twins[name] = nil // a call would panic
	}
	up, err := lab.Up(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !up.Changed() || recorded(t, lab).Providers != ProvidersOfficial {
		t.Errorf("record: %+v", recorded(t, lab))
	}
	shell(t, lab).Run(t, "preview", "--expect-no-changes")

	// The same lab, and neither flag nor plugins: no silent change of providers.
	lost := *lab
	t.Setenv("HOME", t.TempDir())
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1") // nothing is downloaded by a test
	if _, err := lost.Up(t.Context()); !slices.Contains(report.Remedies(err), useEmbedded) {
		t.Errorf("up without the plugins: %v", err)
	}
	// With the flag it is changed, and stays so.
	changed := cliLabAt(t, lab)
	changed.o.Providers = ProvidersEmbedded
	if again, err := changed.Up(t.Context(), ExpectNoChanges()); err != nil || again.Changed() {
		t.Errorf("up with the embedded providers: %v", err)
	}
	if r := recorded(t, lab); r.Providers != ProvidersEmbedded {
		t.Errorf("record: %+v", r)
	}
	changed.o.Providers = ""
	if _, err := changed.Destroy(t.Context()); err != nil {
		t.Error(err)
	}
}

// cliLabAt is another handle on a lab, with the embedded providers.
func cliLabAt(t *testing.T, lab *Lab) *Lab {
	t.Helper()
	fresh := cliLab(t, nil)
	fresh.o.Name, fresh.o.StateDir, fresh.o.ProjectDir = lab.o.Name, lab.o.StateDir, lab.o.ProjectDir
	return fresh
}

func recorded(t *testing.T, lab *Lab) Record {
	t.Helper()
	text, err := os.ReadFile(lab.recordFile())
	if err != nil {
		t.Fatal(err)
	}
	var r Record
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFindPlugin(t *testing.T) {
	installed(t, "tls", "command")
	lab := &Lab{o: Options{StateDir: t.TempDir()}}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".pulumi/plugins/resource-command-v"+officialVersions()["command"]+".partial"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// A shell of `meshwright env`: its plugins are the embedded ones by other names.
	if err := lab.linkPlugin("kubernetes", officialVersions()["kubernetes"], map[string]string{"pulumi-resource-kubernetes": "/bin/sh"}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PULUMI_HOME", lab.pulumiHome())
	found := map[string]bool{}
	for name, version := range officialVersions() {
		found[name] = lab.findPlugin(name, version) != ""
	}
	want := map[string]bool{"tls": true, "command": false /* half downloaded */, "kubernetes": false /* a lab's own */}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Error(diff)
	}
	if lab.findPlugin("tls", "9.9.9") != "" {
		t.Error("another version passes for the one asked for")
	}
}

// TestOfficialVersions: the versions are the SDKs' own.
func TestOfficialVersions(t *testing.T) {
	text, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(officialVersions())) {
		want := " v" + officialVersions()[name]
		found := slices.ContainsFunc(strings.Split(string(text), "\n"), func(line string) bool {
			return strings.Contains(line, "/pulumi-"+name+"/sdk") && strings.HasSuffix(line, want)
		})
		if !found {
			t.Errorf("go.mod has no SDK of %s%s", name, want)
		}
	}
}
