package golden

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// listener is a test that goes on after its failures.
type listener struct {
	testing.TB
	heard string
}

func (*listener) Helper() {}

func (l *listener) Errorf(format string, args ...any) { l.heard += fmt.Sprintf(format, args...) }

func (l *listener) Fatalf(format string, args ...any) { l.Errorf(format, args...) }

func TestCompare(t *testing.T) {
	path := filepath.Join(t.TempDir(), "golden")
	compare := func(got string) string {
		l := &listener{TB: t}
		Compare(l, path, []byte(got))
		return l.heard
	}
	if heard := compare("a\nb\n"); !strings.Contains(heard, "run the test with -update") {
		t.Errorf("no file: %q", heard)
	}
	*update = true
	heard := compare("a\nb\n")
	*update = false
	if heard += compare("a\nb\n"); heard != "" {
		t.Error(heard)
	}
	for _, other := range []string{"a\nc\n", "a\nb", ""} {
		if heard := compare(other); !strings.Contains(heard, path) {
			t.Errorf("%q passed: %s", other, heard)
		}
	}
}
