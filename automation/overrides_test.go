package automation

import (
	"slices"
	"strings"
	"testing"
)

// TestDroppedOverrides: what a lab was brought up with, and an operation does not say
// again, is warned of before it is undone, once.
func TestDroppedOverrides(t *testing.T) {
	t.Parallel()
	state, w := t.TempDir(), newWorld()
	var warned []string
	lab := func(do string, config map[string]string) *Lab {
		l := testLab(t, "dev", state, w, do)
		l.o.Config = config
		warned = nil
		l.o.Events = func(e Event) {
			if e.Severity == "warning" {
				warned = append(warned, e.Message)
			}
		}
		return l
	}
	expect := func(what string, n int) {
		t.Helper()
		if len(warned) != n || n > 0 && !strings.Contains(warned[0], "meshID") {
			t.Errorf("%s: warnings %v, want %d", what, warned, n)
		}
	}
	preview := func(what string, config map[string]string, want []string) {
		t.Helper()
		res, err := lab("ok", config).Preview(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(want, res.Dropped) {
			t.Errorf("%s: dropped %v, want %v", what, res.Dropped, want)
		}
		expect(what, len(want))
	}
	mesh9 := map[string]string{"meshwright:meshID": "mesh9"}
	preview("of a new lab", mesh9, nil)
	if _, err := lab("ok", mesh9).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	preview("as brought up", map[string]string{"meshID": "mesh9"}, nil)
	preview("plain", nil, []string{"meshID"})
	preview("plain again", nil, []string{"meshID"})
	if _, err := lab("fail", nil).Up(t.Context()); err != nil { // nothing changes: the things are there
		t.Log(err)
	}
	expect("up", 1)
	l := lab("ok", nil)
	if _, err := l.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	preview("after a plain up", nil, nil)
	if r, err := l.record(); err != nil || slices.Contains(r.Overrides, "mesh9") {
		t.Errorf("the record has an override's value: %+v, %v", r, err)
	}
}
