package backend

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/blang/semver"
	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/common/encoding"
)

// TestReadLocal reads what the engine writes by each of its settings; the tests of
// package automation have it write them.
func TestReadLocal(t *testing.T) {
	const text = `{"version":3,"checkpoint":{"latest":{"resources":[{"type":"a:b:C","custom":true}],"pending_operations":[{}]}}}`
	for _, form := range []encoding.Compression{encoding.CompressionNone, encoding.CompressionGzip, encoding.CompressionZstd} {
		t.Run("form"+form.Ext(), func(t *testing.T) {
			dir := t.TempDir()
			if _, err := ReadLocal(dir, "dev"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("without a file: %v", err)
			}
			data, err := encoding.Compress(verbatim{}, form).Marshal(text)
			if err != nil {
				t.Fatal(err)
			}
			file := File(dir, "dev") + form.Ext()
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, data, 0o600)); err != nil {
				t.Fatal(err)
			}
			if snap, err := ReadLocal(dir, "dev"); err != nil || snap.Real() != 1 || len(snap.Pending) != 1 || snap.Empty() {
				t.Errorf("%+v, %v", snap, err)
			}
			if err := os.WriteFile(file, data[:len(data)/2], 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := ReadLocal(dir, "dev"); err == nil || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("half a file: %v", err)
			}
		})
	}
}

// verbatim marshals text as it is.
type verbatim struct{ encoding.Marshaler }

func (verbatim) Marshal(v any) ([]byte, error) { return []byte(v.(string)), nil }

// TestURL: the engine finds the directory again.
func TestURL(t *testing.T) {
	for _, dir := range []string{"/a/b", "/a b/c", "/a%2Fb", "/a#b/c?d=e", "/ä/日本"} {
		u, err := url.Parse(URL(dir))
		if err != nil || u.Path != dir || u.RawQuery+u.Fragment != "" {
			t.Errorf("%s: %+v, %v", dir, u, err)
		}
	}
	if got := URL("/a b/ä"); got != "file:///a b/ä" {
		t.Errorf("%s: networks are labelled with this URL", got)
	}
}

// cli is a pulumi command that knows one stack's state, and the commands that pass it
// on encrypted and in memory.
type cli struct {
	state    string
	imported string
}

func (*cli) Version() semver.Version { return semver.MustParse("3.250.0") }

func (c *cli) Run(_ context.Context, _ string, stdin io.Reader, _, _ []io.Writer, env []string, args ...string) (string, string, int, error) {
	switch strings.Join(args, " ") {
	case "stack export --stack dev":
		return c.state, "", 0, nil
	case "stack import --stack dev":
		if stdin == nil {
			break
		}
		data, err := io.ReadAll(stdin)
		c.imported = string(data)
		return "", "", 0, err
	}
	return "", "error: the command does not know " + strings.Join(args, " "), 255, errors.New("exit status 255")
}

// TestForgetPendingWritesNothing but into the backend, and sees no secret.
func TestForgetPendingWritesNothing(t *testing.T) {
	command := &cli{state: `{"version":3,"deployment":{"resources":[{"ciphertext":"v1:x"}],"pending_operations":[{"type":"creating"}]}}`}
	ws, err := auto.NewLocalWorkspace(t.Context(), auto.WorkDir(t.TempDir()), auto.Pulumi(command))
	if err != nil {
		t.Fatal(err)
	}
	// auto.SelectStack would ask the command; the name and the workspace are all that counts.
	stack, err := auto.SelectStack(t.Context(), "dev", selected{ws})
	if err != nil {
		t.Fatal(err)
	}
	if err := ForgetPending(t.Context(), &stack); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`{"version":3,"deployment":{"resources":[{"ciphertext":"v1:x"}]}}`, command.imported); diff != "" {
		t.Error(diff)
	}
}

// selected is a workspace whose stack is selected.
type selected struct{ auto.Workspace }

func (selected) SelectStack(context.Context, string) error { return nil }
