package kind

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBackendsHaveOneSpelling(t *testing.T) {
	t.Setenv("HOME", "/home/u")
	for given, want := range map[string]string{
		"file:///srv/state":                   "file:///srv/state",
		"file:///srv/state/":                  "file:///srv/state",
		"file:///srv/state?no_tmp_dir=true":   "file:///srv/state",
		"file://~":                            "file:///home/u",
		"file://~/state":                      "file:///home/u/state",
		"file://.":                            "file:///checkout",
		"file://./state":                      "file:///checkout/state",
		"https://api.pulumi.com/":             "https://api.pulumi.com",
		"s3://bucket/path?region=x&profile=y": "s3://bucket/path",
		"postgres://user:secret@host/db":      "postgres://host/db",
		"postgres://user:s%zz@host/db":        "", // not a URL: rather unknown than shown
		"":                                    "",
	} {
		if got := address(given, "/checkout"); got != want {
			t.Errorf("%s: %s, want %s", given, got, want)
		}
	}
}

// TestTheEnginesBackend: it is found in the order in which the pulumi command looks.
func TestTheEnginesBackend(t *testing.T) {
	dir, home := t.TempDir(), t.TempDir()
	t.Chdir(dir)
	t.Setenv("PULUMI_HOME", home)
	t.Setenv("PULUMI_BACKEND_URL", "")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want string) {
		t.Helper()
		if backend, project := engines(); backend != want || project != dir {
			t.Errorf("%s in %s, want %s in %s", backend, project, want, dir)
		}
	}
	write(filepath.Join(dir, "Pulumi.yaml"), "name: p\nruntime: go\n")
	expect("")
	write(filepath.Join(home, "credentials.json"), `{"current": "file://~"}`)
	expect("file://~")
	write(filepath.Join(dir, "Pulumi.yaml"), "name: p\nruntime: go\nbackend: {url: 's3://bucket'}\n")
	expect("s3://bucket")
	t.Setenv("PULUMI_BACKEND_URL", "file:///srv")
	expect("file:///srv")
}

func TestRefuse(t *testing.T) {
	own := NewState("file:///srv/a", "/checkout", "meshwright", "lab")
	for name, tc := range map[string]struct {
		by     State
		refuse string // what the error says to run; "" for none
	}{
		"the same":                      {own, ""},
		"the same from another project": {NewState("file:///srv/a", "/elsewhere", "meshwright", "lab"), ""},
		"none: an earlier version's":    {State{}, ""},
		"another backend":               {NewState("file:///srv/b", "/my checkout", "meshwright", "lab"), "cd '/my checkout' && PULUMI_BACKEND_URL=file:///srv/b pulumi destroy --stack lab ("},
		"another project":               {NewState("file:///srv/a", "/other", "mine", "lab"), "cd /other && PULUMI_BACKEND_URL=file:///srv/a pulumi destroy --stack lab ("},
		"the driver's":                  {NewState("file:///home/u/labs/lab/backend", "/home/u/labs/lab/workspace", "meshwright", "lab"), ": meshwright destroy --name lab ("},
		"the driver's in a backend":     {NewState("s3://b", "/home/u/labs/lab/workspace", "meshwright", "lab"), ": meshwright destroy --name lab --backend s3://b ("},
	} {
		t.Run(name, func(t *testing.T) {
			err := own.Refuse("lab", tc.by.sign(map[string]string{}))
			var held *HeldError
			if errors.As(err, &held) != (tc.refuse != "") {
				t.Fatalf("got %v", err)
			}
			if tc.refuse != "" && (held.By != tc.by || !strings.Contains(err.Error(), tc.refuse) || !strings.Contains(err.Error(), tc.by.Stack+" in "+tc.by.Backend)) {
				t.Errorf("got %v, want %s in it", err, tc.refuse)
			}
		})
	}
}

// TestASecondStateTakesNothingOver: neither the network nor the nodes on it.
func TestASecondStateTakesNothingOver(t *testing.T) {
	b, network := lab(t)
	b.client.MustCreate(clusterURN, clusterInputs())
	before := b.names()

	second := b.connect(t, "file:///second")
	for name, create := range map[string]func() error{
		"network": func() error { _, err := second.Create(t.Context(), networkURN, networkInputs()); return err },
		// A state that was given the network, as by an import, still has no right to the nodes.
		"cluster": func() error { _, err := second.Create(t.Context(), clusterURN, clusterInputs()); return err },
	} {
		if err := create(); err == nil || !strings.Contains(err.Error(), "in another Pulumi state") || !strings.Contains(err.Error(), "file:///first") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if d := cmp.Diff(before, b.names()); d != "" || len(b.networks) != 1 || b.networks[0].ID != string(network.ID) {
		t.Errorf("changed: %s, %v", d, b.networks)
	}

	// A network of an earlier version, which names no state, is taken over as before.
	for _, label := range []string{backendLabel, stackLabel, projectLabel} {
		if _, ok := b.networks[0].Labels[label]; !ok {
			t.Errorf("the network has no label %s", label)
		}
		delete(b.networks[0].Labels, label)
	}
	second.MustCreate(networkURN, networkInputs())
	second.MustCreate(clusterURN, clusterInputs())
}

// TestAClusterOfTheSameNameMadeSince: once another state has recreated the lab, a state
// that still knows the old one finds it gone and leaves the new one alone.
func TestAClusterOfTheSameNameMadeSince(t *testing.T) {
	b, _ := lab(t)
	old := b.client.MustCreate(clusterURN, clusterInputs())
	b.containers = nil
	b.client.MustCreate(clusterURN, clusterInputs())
	before := b.names()
	if gone, err := b.client.Read(old); gone != nil || err != nil {
		t.Errorf("read: %v, %v", gone, err)
	}
	if _, err := b.client.Update(t.Context(), old, clusterInputs("a", "b")); err == nil || !strings.Contains(err.Error(), "refresh") {
		t.Errorf("update: %v", err)
	}
	if err := b.client.Delete(t.Context(), old); err != nil {
		t.Errorf("delete: %v", err)
	}
	if d := cmp.Diff(before, b.names()); d != "" {
		t.Error(d)
	}
}
