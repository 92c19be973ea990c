package main

import (
	"strings"
	"testing"

	"github.com/meshwright/meshwright/automation/changes"
)

func TestDiffExit(t *testing.T) {
	report := func(c changes.Counts) *changes.Report {
		what := changes.Changed
		if c == (changes.Counts{Same: 1}) {
			what = changes.Same
		}
		return &changes.Report{Stacks: []changes.Stack{{Name: "dev", What: what, Counts: c}}}
	}
	for name, tc := range map[string]struct {
		counts changes.Counts
		want   map[string]int // by --fail-on
	}{
		"nothing":  {changes.Counts{Same: 1}, map[string]int{failNever: 0, failChanges: 0, failDestructive: 0}},
		"changed":  {changes.Counts{Changed: 1, Same: 1}, map[string]int{failNever: 0, failChanges: ExitChanges, failDestructive: 0}},
		"added":    {changes.Counts{Added: 1}, map[string]int{failNever: 0, failChanges: ExitChanges, failDestructive: 0}},
		"replaced": {changes.Counts{Replaced: 1}, map[string]int{failNever: 0, failChanges: ExitDestructive, failDestructive: ExitDestructive}},
		"removed":  {changes.Counts{Removed: 1, Changed: 1}, map[string]int{failNever: 0, failChanges: ExitDestructive, failDestructive: ExitDestructive}},
	} {
		for failOn, want := range tc.want {
			if got := ExitCode(diffExit(report(tc.counts), failOn)); got != want {
				t.Errorf("%s, --fail-on %s: %d, want %d", name, failOn, got, want)
			}
		}
	}
}

func TestWriteReport(t *testing.T) {
	r := &changes.Report{Version: changes.Version, Source: changes.Computed, Stacks: []changes.Stack{}}
	for format, want := range map[string]string{"text": "Nothing changes.\n", "markdown": "", "json": `"version": 1`} {
		var b strings.Builder
		if err := writeReport(&b, r, format); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), want) || want == "" && b.Len() > 0 {
			t.Errorf("%s: %q", format, b.String())
		}
	}
}
