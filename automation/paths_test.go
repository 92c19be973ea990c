package automation

import (
	"os"
	"path/filepath"
	"testing"
)

// TestUnusualPaths lives a lab's life in directories whose names mean something in a
// URL, beside the directory that such a name would be taken for.
func TestUnusualPaths(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a b", "a%2Fb", "a#b", "a?b=c", "ä-日本"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for _, other := range []string{"a/b", "a"} {
				if err := os.MkdirAll(filepath.Join(root, other, "labs", "dev", "backend"), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			w := newWorld()
			lab := testLab(t, "dev", filepath.Join(root, name), w, "ok")
			if _, err := lab.Preview(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := lab.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			checkPrivate(t, lab)
			cli := shell(t, lab)
			cli.Run(t, "stack", "export")
			if again, err := lab.Up(t.Context(), ExpectNoChanges()); err != nil || again.Changed() {
				t.Errorf("up again: %v", err)
			}
			if _, err := lab.Destroy(t.Context()); err != nil || len(w.names()) != 0 {
				t.Errorf("destroy: %v, left %v", err, w.names())
			}
			for _, other := range []string{"a/b", "a"} {
				if left, _ := os.ReadDir(filepath.Join(root, other, "labs", "dev", "backend")); len(left) > 0 {
					t.Errorf("%s has %v", other, left)
				}
			}
		})
	}
}

func TestStateWithAColon(t *testing.T) {
	if _, err := New(t.Context(), Options{StateDir: "/a:b"}); err == nil {
		t.Error("Docker cannot mount what is in it")
	}
}
