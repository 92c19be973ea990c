package workspace

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
)

func TestBuiltinSettingsAreTheProjectsOwn(t *testing.T) {
	want, err := filepath.Glob("../../../Pulumi.*.yaml")
	if err != nil || len(want) == 0 {
		t.Fatalf("%v, %v", want, err)
	}
	got, err := fs.Glob(builtin, "settings/*")
	if err != nil || len(got) != len(want) {
		t.Errorf("%d built-in settings, %d in the project: run go generate ./automation/internal/workspace", len(got), len(want))
	}
	for _, path := range want {
		tracked, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		copied, err := fs.ReadFile(builtin, "settings/"+filepath.Base(path))
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(string(tracked), string(copied)); diff != "" {
			t.Errorf("%s: run go generate ./automation/internal/workspace: %s", path, diff)
		}
	}
}

func TestSet(t *testing.T) {
	for name, tc := range map[string]struct{ key, value, want string }{
		"plain":     {"meshID", "m", `{"meshwright:meshID":"m"}`},
		"namespace": {"pulumi:tags", "m", `{"pulumi:tags":"m"}`},
		"path":      {"clusters[0].workers", "2", `{"meshwright:clusters":[{"workers":2}]}`},
		"dots":      {"sample.enabled", "false", `{"meshwright:sample":{"enabled":false}}`},
	} {
		t.Run(name, func(t *testing.T) {
			m := config.Map{}
			if err := Set(m, tc.key, tc.value); err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			data, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			_ = json.Unmarshal(data, &got)
			flat := map[string]any{}
			for k, v := range got {
				flat[k] = v
				if o, ok := v.(map[string]any); ok && o["objectValue"] != nil {
					_ = json.Unmarshal([]byte(fmt.Sprint(o["objectValue"])), &v)
					flat[k] = v
				}
			}
			var want map[string]any
			if err := json.Unmarshal([]byte(tc.want), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, flat); diff != "" {
				t.Error(diff)
			}
		})
	}
}
