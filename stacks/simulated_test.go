package stacks

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/artifacts/imagelock"
)

// TestASimulationAsksNoRegistry, and takes what the revision itself has locked.
func TestASimulationAsksNoRegistry(t *testing.T) {
	t.Setenv(Simulated, "true")
	t.Setenv("MESHWRIGHT_LOCK", filepath.Join(t.TempDir(), "of-this-machine"))
	project, digest := t.TempDir(), "sha256:"+strings.Repeat("a", 64)
	for _, locked := range []bool{false, true} {
		want := artifacts.Registry()
		if locked {
			sleep := want.Images["sleep"]
			text := fmt.Sprintf(`{"version": %d, "images": {%q: %q}}`, imagelock.FormatVersion, sleep.Name, digest)
			if err := os.WriteFile(filepath.Join(project, imagelock.Name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			sleep.Name, sleep.Digest = sleep.Name+"@"+digest, digest
			want.Images["sleep"] = sleep
		}
		err := pulumi.RunErr(func(ctx *pulumi.Context) error {
			set, err := artifactsOf(ctx, &Plan{Artifacts: artifacts.SourceRegistry})
			if diff := cmp.Diff(want, set, cmpopts.IgnoreUnexported(artifacts.Set{})); diff != "" {
				t.Errorf("locked %t: %s", locked, diff)
			}
			return err
		}, pulumi.WithMocks("meshwright", "lab", &recorder{}), func(info *pulumi.RunInfo) { info.RootDirectory = project })
		if err != nil {
			t.Errorf("locked %t: %v", locked, err)
		}
	}
}
