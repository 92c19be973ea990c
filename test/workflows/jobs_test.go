package workflows

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meshwright/meshwright/automation/changes"
	"github.com/meshwright/meshwright/cmd/pull-request-comment/pullrequest"
	"github.com/meshwright/meshwright/cmd/pull-request-comment/pullrequest/githubtest"
)

// toy stands in for meshwright in the repository of a pull request. It prints the
// report that it is given, and says what it was asked and which files that is about.
const toy = `package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

func main() {
	files, err := exec.Command("git", "diff", "--name-only", os.Args[2]).CombinedOutput()
	asked := strings.Join(os.Args[1:], " ")
	fmt.Fprintf(os.Stderr, "meshwright %s: %s %v\n", asked, strings.TrimSpace(string(files)), err)
	fmt.Print(os.Getenv("TOY_REPORT"))
	if code, _ := strconv.Atoi(os.Getenv("TOY_CODE")); code == 1 || strings.Contains(asked, "--fail-on") {
		os.Exit(code)
	}
}
`

// branch is a pull request's: main went on after it had left.
type branch struct{ origin, base, head string }

func newBranch(t *testing.T) branch {
	t.Helper()
	b := branch{origin: t.TempDir()}
	write := func(name, text string) {
		t.Helper()
		file := filepath.Join(b.origin, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	commit := func() string {
		t.Helper()
		git(t, b.origin, "add", ".")
		git(t, b.origin, "commit", "--quiet", "-m", "x")
		return git(t, b.origin, "rev-parse", "HEAD")
	}
	git(t, b.origin, "init", "--quiet", "--initial-branch=main")
	write("go.mod", "module example.invalid/toy\n\ngo 1.26\n")
	write("cmd/meshwright/main.go", toy)
	write("Pulumi.dev.yaml", "a")
	commit()
	git(t, b.origin, "switch", "--quiet", "-c", "topic")
	write("Pulumi.dev.yaml", "b")
	b.head = commit()
	git(t, b.origin, "switch", "--quiet", "main")
	write("Pulumi.other.yaml", "c")
	b.base = commit()
	// GitHub runs a pull request's workflows on what merging it would make.
	git(t, b.origin, "switch", "--quiet", "--detach")
	git(t, b.origin, "merge", "--quiet", "-m", "x", "topic")
	git(t, b.origin, "update-ref", "refs/pull/7/merge", "HEAD")
	return b
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=t", "-c", "user.email=t@invalid", "-c", "commit.gpgsign=false"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// diffJob runs diff.yml on the pull request. What it uploads is g's artifact, as
// what becomes of it is g's run.
func diffJob(t *testing.T, g *githubtest.GitHub, b branch, env ...string) (string, error) {
	t.Helper()
	// Paths on a runner of one's own may hold spaces.
	dir, temp := filepath.Join(t.TempDir(), "the checkout"), filepath.Join(t.TempDir(), "runner temp")
	for _, d := range []string{dir, temp} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r := &runner{
		t: t, dir: dir, env: append(env, "RUNNER_TEMP="+temp),
		expressions: map[string]string{
			"github.event.pull_request.base.sha": b.base, "github.event.pull_request.head.sha": b.head, "runner.temp": temp,
		},
		actions: map[string]func(map[string]string) error{
			"actions/setup-go": nil, "pulumi/actions": nil,
			"actions/checkout": func(with map[string]string) error {
				fetch := []string{"fetch", "--quiet", "--depth=" + cmp.Or(with["fetch-depth"], "1")}
				if with["fetch-depth"] == "0" {
					fetch = fetch[:2]
				}
				git(t, dir, "init", "--quiet")
				git(t, dir, append(fetch, "file://"+b.origin, "refs/pull/7/merge")...)
				git(t, dir, "checkout", "--quiet", "FETCH_HEAD")
				return nil
			},
			"actions/upload-artifact": func(with map[string]string) error {
				data, err := os.ReadFile(with["path"])
				if err == nil {
					g.Artifacts[with["name"]] = githubtest.Zip(t, filepath.Base(with["path"]), data)
				}
				return err
			},
		},
	}
	g.Run["head_sha"], g.Pulls[1] = b.head, githubtest.Pull(7, b.head, githubtest.Repository)
	out, err := r.run(read(t)["diff.yml"].Jobs["diff"])
	if err != nil {
		g.Run["conclusion"] = "failure"
	}
	return out, err
}

// commentRunner runs comment.yml in this repository, whose command it compiles.
func commentRunner(t *testing.T, g *githubtest.GitHub) *runner {
	t.Helper()
	// The test's cache does not see what its child processes read.
	if _, err := os.Stat("../../cmd/pull-request-comment/main.go"); err != nil {
		t.Fatal(err)
	}
	return &runner{
		t: t, dir: "../..",
		env: []string{"GITHUB_REPOSITORY=" + githubtest.Repository, "GITHUB_TOKEN="},
		expressions: map[string]string{
			"github.event.workflow_run.id":           fmt.Sprint(githubtest.Run),
			"github.event.workflow_run.event":        fmt.Sprint(g.Run["event"]),
			"github.event.workflow_run.conclusion":   fmt.Sprint(g.Run["conclusion"]),
			"github.event.repository.default_branch": "main",
			"github.token":                           githubtest.Token,
		},
		actions: map[string]func(map[string]string) error{"actions/checkout": nil, "actions/setup-go": nil},
	}
}

// comment runs comment.yml against g, and holds its log to have no token.
func (r *runner) comment(g *githubtest.GitHub) (string, error) {
	r.t.Helper()
	r.env = append([]string{"GITHUB_API_URL=" + g.Serve()}, r.env...)
	out, err := r.run(read(r.t)["comment.yml"].Jobs["comment"])
	if strings.Contains(out, githubtest.Token) {
		r.t.Errorf("the token is in the log:\n%s", out)
	}
	return out, err
}

func reportOf(t *testing.T, s changes.Stack) []byte {
	t.Helper()
	var b bytes.Buffer
	s.Name = "dev"
	if err := (&changes.Report{Version: changes.Version, Source: changes.Computed, Stacks: []changes.Stack{s}}).JSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const create = "POST /repos/o/r/issues/7/comments\n" + pullrequest.Marker + "\n"

// TestFromPullRequestToComment runs both workflows, one on what the other leaves.
func TestFromPullRequestToComment(t *testing.T) {
	b := newBranch(t)
	for name, tc := range map[string]struct {
		stack changes.Stack
		code  int    // of meshwright: 8 and 9 only if it is to fail on changes, 1 always
		wrote string // beginning of the comment; "": there is none
		has   string // in the comment
		said  string // by the second job
	}{
		"no change": {
			stack: changes.Stack{What: changes.Same, Counts: changes.Counts{Same: 4}},
			said:  "nothing: nothing changes, and nothing was said under #7",
		},
		"changes": {
			stack: changes.Stack{What: changes.Changed, Counts: changes.Counts{Changed: 1, Same: 3}}, code: 8,
			wrote: create + "### What", has: "| `dev` |  |  | 1 |  | 3 |", said: "created: under #7",
		},
		"replacements": {
			stack: changes.Stack{What: changes.Changed, Counts: changes.Counts{Replaced: 2, Same: 2}}, code: 9,
			wrote: create + "### What", has: "**Something is replaced or removed.", said: "created: under #7",
		},
		"error": {
			stack: changes.Stack{What: changes.Changed, Counts: changes.Counts{Changed: 1}}, code: 1, said: "skipped",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := githubtest.New(t)
			out, err := diffJob(t, g, b, "TOY_REPORT="+string(reportOf(t, tc.stack)), fmt.Sprint("TOY_CODE=", tc.code))
			if (err != nil) != (tc.code == 1) {
				t.Errorf("diff.yml: %v\n%s", err, out)
			}
			if want := "meshwright diff " + b.base + "..." + b.head + " --output json: Pulumi.dev.yaml <nil>\n"; out != want {
				t.Errorf("diff.yml printed %q, want %q", out, want)
			}
			if err != nil && len(g.Artifacts) > 0 {
				t.Error("a job that failed leaves an artifact")
			}
			out, err = commentRunner(t, g).comment(g)
			if err != nil || !strings.Contains(out, tc.said) {
				t.Errorf("comment.yml: %v, printed %q, want %q", err, out, tc.said)
			}
			checkWrites(t, g, tc.wrote)
			for _, text := range g.Writes() {
				if !strings.Contains(text, tc.has) || !strings.Contains(text, "For commit "+b.head[:12]) {
					t.Errorf("no %q for %s in:\n%s", tc.has, b.head, text)
				}
			}
		})
	}
}

// checkWrites holds g to one comment that was written and begins so, or to none.
func checkWrites(t *testing.T, g *githubtest.GitHub, beginning string) {
	t.Helper()
	writes := g.Writes()
	if beginning == "" && len(writes) > 0 || beginning != "" && (len(writes) != 1 || !strings.HasPrefix(writes[0], beginning)) {
		t.Errorf("wrote %q, want %q", writes, beginning)
	}
}

// TestCommentJob runs comment.yml on what there may be on GitHub.
func TestCommentJob(t *testing.T) {
	const update = "PATCH /repos/o/r/issues/comments/3\n" + pullrequest.Marker + "\n"
	only := func(pulls ...map[string]any) func(*githubtest.GitHub, *runner) {
		return func(g *githubtest.GitHub, _ *runner) { g.Pulls = pulls }
	}
	env := func(setting string) func(*githubtest.GitHub, *runner) {
		return func(_ *githubtest.GitHub, r *runner) { r.env = append(r.env, setting) }
	}
	for name, tc := range map[string]struct {
		change func(*githubtest.GitHub, *runner)
		wrote  string // beginning of what was written; "": nothing was
		said   string
		fails  bool
	}{
		"others' comments are left alone": {wrote: create + "### What", said: "created: under #7"},
		"its own is edited": {
			change: func(g *githubtest.GitHub, _ *runner) {
				g.Comments[7] = append(g.Comments[7], githubtest.Comment(3, githubtest.Bot, "Bot", pullrequest.Marker+"\nold"))
			},
			wrote: update + "### What", said: "updated: under #7",
		},
		"an artifact that is too large is not shown": {
			change: func(g *githubtest.GitHub, _ *runner) { g.Size = 9 << 20 },
			wrote:  create + "The report of what this change does to the stacks is too large to show.", said: "created: under #7",
		},
		"it goes where the commit is the head": {
			change: only(githubtest.Pull(6, githubtest.Head, githubtest.Repository), githubtest.Pull(7, githubtest.Other, githubtest.Repository)),
			wrote:  strings.Replace(create, "7", "6", 1), said: "created: under #6",
		},
		"the commit is no pull request's head any more": {
			change: only(githubtest.Pull(7, githubtest.Other, githubtest.Repository)), said: "nothing: no open pull request has " + githubtest.Head,
		},
		"the commit is the head of one into another repository": {
			change: only(githubtest.Pull(7, githubtest.Head, "fork/r")), said: "nothing: no open pull request has " + githubtest.Head,
		},
		"the run is another workflow's": {
			change: func(g *githubtest.GitHub, _ *runner) { g.Run["path"] = ".github/workflows/ci.yml@main" },
			said:   "nothing: run 5 is of another workflow",
		},
		"the run was a push's": {
			change: func(_ *githubtest.GitHub, r *runner) { r.expressions["github.event.workflow_run.event"] = "push" },
			said:   "skipped",
		},
		"the API refuses the comment": {
			change: func(g *githubtest.GitHub, _ *runner) { g.Refuse = "POST" }, said: "error: POST /repos/o/r/issues/7/comments: 403", fails: true,
		},
		"the API refuses to answer": {
			change: func(g *githubtest.GitHub, _ *runner) { g.Refuse = "GET" }, said: "error: workflow run 5: GET /repos/o/r/actions/runs/5: 403", fails: true,
		},
		"the API is away": {change: env("GITHUB_API_URL=http://127.0.0.1:1"), said: "error: workflow run 5: ", fails: true},
		"there is no artifact": {
			change: func(g *githubtest.GitHub, _ *runner) { clear(g.Artifacts) }, said: "error: run 5 has no artifact meshwright-diff", fails: true,
		},
		"no run is named": {
			change: func(_ *githubtest.GitHub, r *runner) { r.expressions["github.event.workflow_run.id"] = "" },
			said:   `invalid value "" for flag -run`, fails: true,
		},
		"there is no token": {
			change: func(_ *githubtest.GitHub, r *runner) { r.expressions["github.token"] = "" }, said: "error: give --run, and ", fails: true,
		},
		"no repository is named": {change: env("GITHUB_REPOSITORY="), said: "error: give --run, and ", fails: true},
		"no API is named":        {change: env("GITHUB_API_URL="), said: "error: give --run, and ", fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := githubtest.New(t)
			g.Artifacts[pullrequest.Artifact] = githubtest.Zip(t, pullrequest.ArtifactFile,
				reportOf(t, changes.Stack{What: changes.Changed, Counts: changes.Counts{Changed: 1}}))
			g.Comments[7] = []map[string]any{githubtest.Comment(2, "someone", "User", pullrequest.Marker+"\nI am you")}
			r := commentRunner(t, g)
			if tc.change != nil {
				tc.change(g, r)
			}
			out, err := r.comment(g)
			if (err != nil) != tc.fails || !strings.Contains(out, tc.said) {
				t.Errorf("%v, printed %q, want %q", err, out, tc.said)
			}
			checkWrites(t, g, tc.wrote)
		})
	}
}
