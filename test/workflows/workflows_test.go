// Package workflows holds the project's GitHub workflows to the rules that keep a
// pull request's code away from tokens that can write, and runs the steps of those
// that comment on a pull request.
package workflows

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// workflow is a workflow's file, with the keys that these tests know of alone: what
// another one says of how a step is run, TestFromPullRequestToComment would leave out.
type workflow struct {
	Name string `json:"name"`
	// YAML 1.1 reads the key "on" as true.
	On          map[string]any    `json:"true"`
	Permissions map[string]string `json:"permissions"`
	Concurrency struct {
		Group  string `json:"group"`
		Cancel bool   `json:"cancel-in-progress"`
	} `json:"concurrency"`
	Jobs map[string]job `json:"jobs"`
}

type job struct {
	If          string            `json:"if"`
	RunsOn      string            `json:"runs-on"`
	Timeout     int               `json:"timeout-minutes"`
	Permissions map[string]string `json:"permissions"`
	Steps       []step            `json:"steps"`
}

type step struct {
	Name string            `json:"name"`
	Uses string            `json:"uses"`
	With map[string]any    `json:"with"`
	Env  map[string]string `json:"env"`
	Run  string            `json:"run"`
}

func read(t *testing.T) map[string]workflow {
	t.Helper()
	paths, err := filepath.Glob("../../.github/workflows/*.yml")
	if err != nil || len(paths) != 3 {
		t.Fatalf("workflows: %v, %v", paths, err)
	}
	all := map[string]workflow{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var w workflow
		if err := yaml.UnmarshalStrict(data, &w); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all[filepath.Base(path)] = w
	}
	return all
}

var pinned = regexp.MustCompile(`^[a-z-]+/[a-z-]+@[0-9a-f]{40}$`)

func TestEveryWorkflow(t *testing.T) {
	for name, w := range read(t) {
		if len(w.On) == 0 || len(w.Jobs) == 0 {
			t.Fatalf("%s is not read rightly: %+v", name, w)
		}
		if _, ok := w.On["pull_request_target"]; ok {
			t.Errorf("%s runs on pull_request_target", name)
		}
		if w.Permissions == nil {
			t.Errorf("%s leaves the token's permissions to the repository's settings", name)
		}
		for _, job := range w.Jobs {
			for _, s := range job.Steps {
				if s.Uses != "" && !pinned.MatchString(s.Uses) {
					t.Errorf("%s: %s is not pinned by commit", name, s.Uses)
				}
				if strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["persist-credentials"] != false {
					t.Errorf("%s: checkout leaves the token behind", name)
				}
				// An expression in a script is text that somebody else writes.
				if strings.Contains(s.Run, "${{") {
					t.Errorf("%s: an expression in a script: %s", name, s.Run)
				}
			}
		}
	}
}

// TestWhatRunsAPullRequest: it can read, and has no secrets.
func TestWhatRunsAPullRequest(t *testing.T) {
	for name, w := range read(t) {
		if _, ok := w.On["pull_request"]; !ok {
			continue
		}
		if len(w.Permissions) != 1 || w.Permissions["contents"] != "read" {
			t.Errorf("%s: permissions %v", name, w.Permissions)
		}
		for _, job := range w.Jobs {
			if job.Permissions != nil {
				t.Errorf("%s: a job has permissions of its own", name)
			}
			for _, s := range job.Steps {
				for key, value := range s.Env {
					if strings.Contains(value, "secrets.") || strings.Contains(value, "token") {
						t.Errorf("%s: %s is %s", name, key, value)
					}
				}
			}
		}
	}
}

// TestWhatComments: it has the token, and none of the pull request's code.
func TestWhatComments(t *testing.T) {
	all := read(t)
	w := all["comment.yml"]
	want := map[string]any{"workflow_run": map[string]any{"workflows": []any{all["diff.yml"].Name}, "types": []any{"completed"}}}
	if diff := cmp.Diff(want, w.On); diff != "" {
		t.Errorf("it runs on something else than what diff.yml leaves: %s", diff)
	}
	if len(w.Permissions) != 0 {
		t.Errorf("every job has %v", w.Permissions)
	}
	// Of a group GitHub keeps one run waiting and drops the others.
	for _, part := range []string{"head_repository.full_name", "head_branch"} {
		if !strings.Contains(w.Concurrency.Group, "github.event.workflow_run."+part) {
			t.Errorf("pull requests share the group %q", w.Concurrency.Group)
		}
	}
	job := w.Jobs["comment"]
	if diff := cmp.Diff(map[string]string{"actions": "read", "contents": "read", "pull-requests": "write"}, job.Permissions); diff != "" {
		t.Errorf("permissions: %s", diff)
	}
	for _, s := range job.Steps {
		for _, with := range s.With {
			if text, ok := with.(string); ok && (strings.Contains(text, "workflow_run.head") || strings.Contains(text, "pull_request")) {
				t.Errorf("%s takes %s", s.Uses, text)
			}
		}
		if strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["ref"] != "${{ github.event.repository.default_branch }}" {
			t.Errorf("it checks out %v", s.With["ref"])
		}
	}
}
