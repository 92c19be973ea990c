package diff

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"

	"github.com/meshwright/meshwright/automation/internal/engine"
	"github.com/meshwright/meshwright/automation/internal/workspace"
	"github.com/meshwright/meshwright/internal/paths"
)

// teamed is a program of one object that says which team the settings name. It takes
// the names that the project's own program takes.
func teamed(ctx *pulumi.Context) error {
	if !workspace.ValidName(ctx.Stack()) {
		return fmt.Errorf("%q is not a valid name for a lab", ctx.Stack())
	}
	var p pulumi.ProviderResourceState
	if err := ctx.RegisterResource("pulumi:providers:kubernetes", "k", pulumi.Map{"kubeconfig": pulumi.String("")}, &p); err != nil {
		return err
	}
	var r pulumi.CustomResourceState
	return ctx.RegisterResource("kubernetes:core/v1:ConfigMap", "team", pulumi.Map{
		"data": pulumi.Map{"team": pulumi.String(config.Get(ctx, "meshwright:team"))},
	}, &r, pulumi.Provider(&p))
}

// TestStackFiles: settings are where the project says, and of those files that are no
// lab's or cannot be read only the ones that are asked for matter.
func TestStackFiles(t *testing.T) {
	t.Parallel()
	cli, err := engine.Find(t.Context(), paths.Kit(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Skip(err)
	}
	const plain, broken = "name: meshwright\nruntime: go\n", "config: [\n"
	for name, tc := range map[string]struct {
		base, head map[string]string
		asked      []string
		want       map[string]string
		err        string
	}{
		"other files": {
			base:  map[string]string{"Pulumi.yaml": plain, "Pulumi.dev.yaml": settingsOf("a"), "Pulumi.infra.dev.yaml": broken, "Pulumi.Prod.yaml": broken, "Pulumi.x.yaml": broken},
			head:  map[string]string{"Pulumi.yaml": plain, "Pulumi.dev.yaml": settingsOf("b"), "Pulumi.infra.dev.yaml": broken, "Pulumi.Prod.yaml": settingsOf("b"), "Pulumi.x.yaml": broken},
			asked: []string{"dev"}, want: map[string]string{"dev": "update a -> b"},
		},
		"names of no lab": {
			base: map[string]string{"Pulumi.yaml": plain, "Pulumi.Prod.yaml": settingsOf("a"), "Pulumi.prod.yaml": settingsOf("c"), "Pulumi.infra.dev.yaml": settingsOf("a")},
			head: map[string]string{"Pulumi.yaml": plain, "Pulumi.Prod.yaml": settingsOf("b"), "Pulumi.prod.yaml": settingsOf("d"), "Pulumi.infra.dev.yaml": settingsOf("a")},
			want: map[string]string{"Prod": "update a -> b", "prod": "update c -> d", "infra.dev": "same "},
		},
		"mended": {
			base: map[string]string{"Pulumi.yaml": plain, "Pulumi.dev.yaml": broken, "Pulumi.gone.yaml": broken},
			head: map[string]string{"Pulumi.yaml": plain, "Pulumi.dev.yaml": settingsOf("b")},
			want: map[string]string{"dev": "create ?", "gone": "delete ?"},
		},
		"broken": {
			base: map[string]string{"Pulumi.yaml": plain, "Pulumi.dev.yaml": settingsOf("a")},
			head: map[string]string{"Pulumi.yaml": plain, "Pulumi.dev.yaml": broken},
			err:  "head: Pulumi.dev.yaml: ",
		},
		"settings of the project": {
			base: map[string]string{"Pulumi.yaml": plain + "config: {team: a}\n", "Pulumi.dev.yaml": "config: {}\n"},
			head: map[string]string{"Pulumi.yaml": plain + "config: {team: b}\n", "Pulumi.dev.yaml": "config: {}\n"},
			want: map[string]string{"dev": "update a -> b"},
		},
		"directory of settings": {
			base: map[string]string{"Pulumi.yaml": plain + "stackConfigDir: sub/settings\n", "sub/settings/Pulumi.dev.yaml": settingsOf("a"), "Pulumi.dev.yaml": settingsOf("x")},
			head: map[string]string{"Pulumi.yaml": plain + "stackConfigDir: sub/settings\n", "sub/settings/Pulumi.dev.yaml": settingsOf("b"), "Pulumi.dev.yaml": settingsOf("x")},
			want: map[string]string{"dev": "update a -> b"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tmp := t.TempDir()
			c := &comparison{base: sideOf(t, tmp, "base", teamed, tc.base), head: sideOf(t, tmp, "head", teamed, tc.head), engine: cli, dir: tmp}
			asked, err := c.stacks(tc.asked)
			if err != nil {
				t.Fatal(err)
			}
			stacks, err := c.all(t.Context(), asked, func(string) {})
			if (err == nil) != (tc.err == "") || err != nil && !strings.HasPrefix(err.Error(), tc.err) {
				t.Fatalf("got %v, want %q", err, tc.err)
			}
			if err != nil {
				return
			}
			got := map[string]string{}
			for i, s := range stacks {
				text := s.What + " "
				if s.BaseUnreadable {
					text += "?"
				}
				for _, cluster := range s.Clusters {
					for _, r := range cluster.Resources {
						for _, p := range r.Properties {
							if p.Path == "data.team" && p.Old != nil {
								text += fmt.Sprintf("%v -> %v", p.Old, p.New)
							}
						}
					}
				}
				got[asked[i]] = text
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestSettingsOutsideTheRepository are not read.
func TestSettingsOutsideTheRepository(t *testing.T) {
	tmp := t.TempDir()
	sideOf(t, tmp, "there", nil, map[string]string{"Pulumi.yaml": "name: meshwright\nruntime: go\n"})
	write(t, tmp, "there/Pulumi.yaml", "name: meshwright\nruntime: go\nstackConfigDir: ../..\n")
	if _, err := openSide("head", tmp+"/there", "."); err == nil || !strings.Contains(err.Error(), "stackConfigDir") {
		t.Errorf("got %v", err)
	}
}
