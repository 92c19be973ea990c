package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/report"
)

// TestLabFlags: what is typed next, in this directory, addresses the same lab.
func TestLabFlags(t *testing.T) {
	here := t.TempDir()
	there := filepath.Join(t.TempDir(), "it's there")
	for _, dir := range []string{here, there} {
		if err := os.MkdirAll(filepath.Join(dir, "below"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), []byte("name: meshwright\nruntime: go\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(filepath.Join(here, "below"))
	for name, tc := range map[string]struct {
		options automation.Options
		want    string
	}{
		"the default":     {automation.Options{}, ""},
		"this project":    {automation.Options{ProjectDir: ".."}, ""},
		"another project": {automation.Options{ProjectDir: there}, " --project " + quoted(there)},
		"a stack":         {automation.Options{Stack: "primary-remote"}, " --stack primary-remote"},
		"a name":          {automation.Options{Name: "two"}, " --name two"},
		"the stack's own": {automation.Options{Stack: "three-region", Name: "three-region"}, " --stack three-region"},
		"all":             {automation.Options{Stack: "three-region", Name: "two", ProjectDir: there}, " --stack three-region --name two --project " + quoted(there)},
	} {
		t.Run(name, func(t *testing.T) {
			tc.options.StateDir = t.TempDir()
			lab, err := automation.New(t.Context(), tc.options)
			if err != nil {
				t.Fatal(err)
			}
			if got := labFlagsOf(lab); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// quoted is a path with an apostrophe, as a shell takes it.
func quoted(path string) string { return "'" + strings.ReplaceAll(path, "'", `'"'"'`) + "'" }

// TestErrorText: remedies are commands and flags of this command line.
func TestErrorText(t *testing.T) {
	held := errors.New("held")
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"none":    {held, "held"},
		"not up":  {&automation.NotUpError{Lab: "two"}, "lab two is not up; bring it up: meshwright up --name two"},
		"wrapped": {fmt.Errorf("x: %w", &automation.NotUpError{Lab: "two"}), "x: lab two is not up; bring it up: meshwright up --name two"},
		"interrupted": {
			&automation.InterruptedError{Operation: "prepare", Lab: "two", Resources: 2, Err: context.Canceled},
			"prepare of lab two: interrupted; 2 resources remain; to go on: meshwright env --init --name two; to remove them: meshwright destroy --name two",
		},
		"nothing remains": {
			&automation.InterruptedError{Operation: "up", Lab: "two", Err: context.DeadlineExceeded},
			"up of lab two: out of time; nothing remains; to go on: meshwright up --name two",
		},
		"removal": {
			&automation.InterruptedError{Operation: "destroy", Lab: "two", Resources: 2, Removes: true, Err: context.Canceled},
			"destroy of lab two: interrupted; 2 resources remain; to go on: meshwright destroy --name two",
		},
		"several lines": {
			&automation.ChangesError{Lab: "two", Changes: []automation.Change{{Op: "update", Name: "a", Type: "b"}}},
			"lab two is not as its settings say: 1 changes where none was expected\n  update a (b)\nto see all: meshwright preview --name two",
		},
		"another stack": {
			&automation.UnknownStackError{Stack: "x", Known: []string{"dev"}},
			"stack x has no settings built in; there are: dev; choose one: --stack",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, errorText(tc.err, " --name two")); diff != "" {
				t.Error(diff)
			}
		})
	}
	for want, r := range map[string]report.Remedy{
		"remove it: meshwright destroy --force --name two": {Text: "remove it", Operation: report.OperationForce},
		"clean up: meshwright verify --cleanup --name two": {Text: "clean up", Operation: report.OperationCleanup},
		"build it: meshwright airgap build":                {Text: "build it", Operation: report.OperationBuildKit},
		"use these: --providers embedded":                  {Text: "use these", Option: "Providers", Value: automation.ProvidersEmbedded},
		"name it: --project":                               {Text: "name it", Option: "ProjectDir"},
		"restart the pod":                                  {Text: "restart the pod"},
		"see it; run `kubectl get pods`":                   {Text: "see it", Command: "kubectl get pods"},
	} {
		if got := remedies(" --name two")(r); got != want {
			t.Errorf("%+v: %q, want %q", r, got, want)
		}
	}
}

// TestOperationsAreCommands: every operation has a command, which can be typed, and
// the documentation names it.
func TestOperationsAreCommands(t *testing.T) {
	root := NewRoot(&App{})
	document, err := os.ReadFile("../../docs/checks.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, operation := range report.Operations() {
		command := operations[operation]
		if problem := untypable(root, strings.Fields(strings.TrimPrefix(command, "meshwright "))); command == "" || problem != "" {
			t.Errorf("operation %s: %q: %s", operation, command, problem)
		}
		if row := fmt.Sprintf("\n| `%s` | `%s` |", operation, command); !strings.Contains(string(document), row) {
			t.Errorf("docs/checks.md has no row%s", row)
		}
	}
}
