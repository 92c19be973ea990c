package revision

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/testkit/tree"
)

// TestSubmodules: a revision has the files of its submodules as it names them, whatever
// is checked out now; one that is not here is named.
func TestSubmodules(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip(err)
	}
	root := t.TempDir()
	git := func(dir string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=t", "-c", "user.email=t@invalid", "-c", "commit.gpgsign=false", "-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main"}, args...)...)
		cmd.Dir = filepath.Join(root, dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	commit := func(dir, name, text string) {
		t.Helper()
		path := filepath.Join(root, dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		git(dir, "add", ".")
		git(dir, "commit", "--quiet", "-m", text)
	}
	for _, name := range []string{"inner", "outer", "away", "project"} {
		if err := os.Mkdir(filepath.Join(root, name), 0o700); err != nil {
			t.Fatal(err)
		}
		git(name, "init", "--quiet")
		commit(name, "file", "one of "+name)
	}
	git("outer", "submodule", "--quiet", "add", filepath.Join(root, "inner"), "deep/inner")
	commit("outer", "file", "two of outer")
	git("project", "submodule", "--quiet", "add", filepath.Join(root, "outer"), "lib outer")
	git("project", "submodule", "--quiet", "add", filepath.Join(root, "away"), "away")
	git("project", "submodule", "--quiet", "update", "--init", "--recursive", "lib outer")
	commit("project", "file", "two of project")
	commit("project/lib outer", "file", "three of outer")
	commit("project", "file", "three of project")
	git("project", "submodule", "--quiet", "deinit", "--force", "away")

	repo, err := Open(t.Context(), filepath.Join(root, "project"), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	base, head, err := repo.Range(t.Context(), "HEAD~1")
	if err != nil {
		t.Fatal(err)
	}
	before := tree.Read(t, filepath.Join(root, "project"))
	for n, rev := range map[string]Revision{"two": base, "three": head} {
		dir := filepath.Join(t.TempDir(), "checkout")
		missing, err := repo.Checkout(t.Context(), rev, dir)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"away"}, missing); diff != "" {
			t.Errorf("missing: %s", diff)
		}
		got := tree.Read(t, dir)
		for name := range got {
			if strings.HasSuffix(name, ".gitmodules") {
				delete(got, name)
			}
		}
		want := map[string]string{"file": n + " of project", "lib outer/file": n + " of outer", "lib outer/deep/inner/file": "one of inner"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", rev.Label, diff)
		}
	}
	if diff := cmp.Diff(before, tree.Read(t, filepath.Join(root, "project"))); diff != "" {
		t.Errorf("the checkout or repository changed: %s", diff)
	}
}
