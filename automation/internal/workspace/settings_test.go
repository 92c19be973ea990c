package workspace

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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

// TestLoadAsTheCommandDoes: settings of the whole project, and the directory that it
// names for its stacks' settings.
func TestLoadAsTheCommandDoes(t *testing.T) {
	const plain = "name: meshwright\nruntime: go\n"
	for name, tc := range map[string]struct {
		files map[string]string
		want  string // meshID
		fails bool
	}{
		"the stack's":        {files: map[string]string{"Pulumi.yaml": plain + "config: {meshID: of-all}\n", "Pulumi.dev.yaml": "config: {meshwright:meshID: own}\n"}, want: "own"},
		"the project's":      {files: map[string]string{"Pulumi.yaml": plain + "config: {meshID: of-all}\n", "Pulumi.dev.yaml": "config: {}\n"}, want: "of-all"},
		"the default":        {files: map[string]string{"Pulumi.yaml": plain + "config: {meshID: {type: string, default: of-all}}\n", "Pulumi.dev.yaml": ""}, want: "of-all"},
		"another directory":  {files: map[string]string{"Pulumi.yaml": plain + "stackConfigDir: etc\n", "etc/Pulumi.dev.yaml": "config: {meshID: there}\n", "Pulumi.dev.yaml": "config: {meshID: here}\n"}, want: "there"},
		"the old spelling":   {files: map[string]string{"Pulumi.yaml": plain + "config: etc\n", "etc/Pulumi.dev.yaml": "config: {meshID: there}\n"}, want: "there"},
		"no project":         {files: map[string]string{"Pulumi.dev.yaml": "config: {meshID: here}\n"}, want: "here"},
		"a broken project":   {files: map[string]string{"Pulumi.yaml": "name: [", "Pulumi.dev.yaml": "config: {meshID: here}\n"}, fails: true},
		"another's settings": {files: map[string]string{"Pulumi.yaml": plain, "Pulumi.dev.yaml": "config: {meshID: here}\n", "Pulumi.x.yaml": "config: ["}, want: "here"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range tc.files {
				path := filepath.Join(dir, file)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			s, err := Load(dir, "dev")
			if tc.fails {
				if err == nil {
					t.Error("it was read")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			v := s.Config[config.MustMakeKey(Project, "meshID")]
			if got, err := v.Value(config.NopDecrypter); err != nil || got != tc.want {
				t.Errorf("got %q, %v, want %q", got, err, tc.want)
			}
		})
	}
}

// TestTheSaltIsKept: without it the state's secrets are lost.
func TestTheSaltIsKept(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "Pulumi.dev.yaml")
	for text, ok := range map[string]bool{"encryptionsalt: v1:abc\n": true, "encryptionsalt: [\n": false} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := Save(dir, "dev", &Settings{})
		data, _ := os.ReadFile(path)
		if (err == nil) != ok || !strings.HasPrefix(string(data), strings.TrimSuffix(text, "\n")) {
			t.Errorf("%q became %q, %v", text, data, err)
		}
	}
}

func TestLabName(t *testing.T) {
	seen := map[string]string{}
	for _, stack := range []string{"dev", "Dev", "infra.dev", "infra-dev", "...", "a-very-long-name-of-a-stack", "a-very-long-name-of-another"} {
		name := LabName(stack)
		if other, ok := seen[name]; ok || !ValidName(name) || ValidName(stack) && name != stack {
			t.Errorf("%s: %s (%s)", stack, name, other)
		}
		seen[name] = stack
	}
}
