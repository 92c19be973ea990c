package main

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReferenceIsCurrent fails when docs/checks.md differs from the checks' data.
func TestReferenceIsCurrent(t *testing.T) {
	text, err := os.ReadFile("../../docs/checks.md")
	if err != nil {
		t.Fatal(err)
	}
	want, err := replaced(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(text), want); diff != "" {
		t.Errorf("docs/checks.md is out of date (-document +checks); run: go run ./verify/gendoc\n%s", diff)
	}
}

func TestMarksAreNeeded(t *testing.T) {
	for _, text := range []string{"", begin, end, end + begin} {
		if _, err := replaced(text); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}
