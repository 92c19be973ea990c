package setup

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRuntimeScript runs the wrapper around a stand-in for runc that reports its
// arguments, on files that Docker wrote for a privileged container.
func TestRuntimeScript(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the wrapper relies on GNU sed; it is installed on Linux only")
	}
	config := readFile(t, "testdata/config.json")
	process := readFile(t, "testdata/process.json")
	indented := indent(t, config)
	only := []byte(`{"process":{"args":["capsh","CAP_SYS_RESOURCE"],"capabilities":` +
		`{"bounding":["CAP_SYS_RESOURCE"],"ambient":["CAP_KILL","CAP_SYS_RESOURCE"],"effective":null}}}`)

	for name, tc := range map[string]struct {
		file      string // where in the test's directory
		content   []byte
		args      []string // DIR is replaced by the test's directory
		untouched bool
	}{
		"create": {
			file: "b/config.json", content: config,
			args: []string{"--root", "/run/r", "--log", "create", "--log-format", "json", "create", "--bundle", "DIR/b", "--pid-file", "DIR/b/init.pid", "0123"},
		},
		"create, bundle before the id, equals sign": {
			file: "b/config.json", content: config, args: []string{"create", "--bundle=DIR/b", "0123"},
		},
		"run, short option": {
			file: "b/config.json", content: config, args: []string{"run", "-b", "DIR/b", "0123"},
		},
		"run in the bundle": {
			file: "config.json", content: config, args: []string{"run", "0123"},
		},
		"indented": {
			file: "b/config.json", content: indented, args: []string{"create", "--bundle", "DIR/b", "0123"},
		},
		"only in the lists": {
			file: "b/config.json", content: only, args: []string{"create", "--bundle", "DIR/b", "0123"},
		},
		"exec": {
			file: "p.json", content: process,
			args: []string{"--root", "/run/r", "exec", "--process", "DIR/p.json", "--detach", "0123"},
		},
		"exec, short option": {
			file: "p.json", content: process, args: []string{"exec", "-p", "DIR/p.json", "0123"},
		},
		"another command": {
			file: "config.json", content: config, args: []string{"delete", "--force", "0123"}, untouched: true,
		},
		"exec without a process file": {
			file: "config.json", content: config, args: []string{"exec", "0123", "true"}, untouched: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			args := make([]string, len(tc.args))
			for i, arg := range tc.args {
				args[i] = string(bytes.ReplaceAll([]byte(arg), []byte("DIR"), []byte(dir)))
			}
			runc := filepath.Join(dir, "runc")
			writeFile(t, runc, "#!/bin/sh\nprintf '%s\\n' \"$@\"\n", 0o700)
			wrapper := filepath.Join(dir, "wrapper")
			writeFile(t, wrapper, runtimeScript(runc), 0o700)
			file := filepath.Join(dir, tc.file)
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			writeFile(t, file, string(tc.content), 0o600)

			cmd := exec.CommandContext(t.Context(), wrapper, args...)
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			var want bytes.Buffer
			for _, arg := range args {
				want.WriteString(arg + "\n")
			}
			if diff := cmp.Diff(want.String(), string(out)); diff != "" {
				t.Errorf("arguments handed on (-want +got):\n%s", diff)
			}
			expected := decode(t, tc.content)
			if !tc.untouched && stripLists(expected) == 0 {
				t.Fatal("the case has no capability to remove")
			}
			if diff := cmp.Diff(expected, decode(t, readFile(t, file))); diff != "" {
				t.Errorf("file (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRuntimeScriptFailsWithRunc(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "runc"), "#!/bin/sh\nexit 42\n", 0o700)
	writeFile(t, filepath.Join(dir, "wrapper"), runtimeScript(filepath.Join(dir, "runc")), 0o700)
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "wrapper"), "state", "0123")
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != 42 {
		t.Errorf("the runtime's exit code is lost: %v", err)
	}
}

func TestNeedsWrapper(t *testing.T) {
	for name, tc := range map[string]struct {
		status string
		want   bool
		err    bool
	}{
		"missing": {status: "Name:\tx\nCapBnd:\t000001fffeffffff\nCapAmb:\t0\n", want: true},
		"present": {status: "CapBnd:\t000001ffffffffff\n"},
		"garbled": {status: "CapBnd:\txyz\n", err: true},
		"absent":  {status: "Name:\tx\n", err: true},
	} {
		t.Run(name, func(t *testing.T) {
			m := fakeMachine(t, map[string]string{"/proc/7/status": tc.status})
			if err := os.Symlink("7", m.path("/proc/self")); err != nil {
				t.Fatal(err)
			}
			got, err := m.needsWrapper()
			if got != tc.want || (err != nil) != tc.err {
				t.Errorf("got %t, %v", got, err)
			}
		})
	}
}

// stripLists removes the capability from a decoded file as the wrapper should,
// and returns how often.
func stripLists(v any) int {
	n := 0
	object, ok := v.(map[string]any)
	if !ok {
		return 0
	}
	for _, key := range []string{"bounding", "effective", "inheritable", "permitted", "ambient"} {
		list, ok := object[key].([]any)
		if !ok {
			continue
		}
		kept := slices.DeleteFunc(slices.Clone(list), func(c any) bool { return c == "CAP_SYS_RESOURCE" })
		n += len(list) - len(kept)
		object[key] = kept
	}
	return n + stripLists(object["process"]) + stripLists(object["capabilities"])
}

// decode keeps numbers as written: 64-bit limits must survive.
func decode(t *testing.T, data []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return v
}

func indent(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, data, "", "\t"); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func writeFile(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}
