package automation

import (
	"errors"
	"strings"
	"testing"
)

func TestOptions(t *testing.T) {
	for name, tc := range map[string]struct {
		o    Options
		fine bool
	}{
		"zero":           {Options{}, true},
		"capital":        {Options{Name: "Dev"}, false},
		"too long":       {Options{Name: strings.Repeat("a", 21)}, false},
		"ends with dash": {Options{Name: "a-"}, false},
		"artifacts":      {Options{Artifacts: "floppy"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := New(t.Context(), tc.o); (err == nil) != tc.fine {
				t.Errorf("%v", err)
			}
		})
	}
	lab, err := New(t.Context(), Options{Stack: "no-such", StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	var unknown *UnknownStackError
	if err := lab.Check(); !errors.As(err, &unknown) || len(unknown.Known) == 0 {
		t.Errorf("unknown stack: %v", err)
	}
}
