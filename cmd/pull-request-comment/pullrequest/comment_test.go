package pullrequest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/automation/changes"
	"github.com/meshwright/meshwright/cmd/pull-request-comment/pullrequest/githubtest"
)

const (
	bot   = githubtest.Bot
	head  = githubtest.Head
	other = githubtest.Other
	token = githubtest.Token
)

type github = githubtest.GitHub

var pullOf, commentOf, archiveOf = githubtest.Pull, githubtest.Comment, githubtest.Zip

// one is the ordinary case: a report that changes something, comments of others.
func one(t *testing.T) *github {
	g := githubtest.New(t)
	g.Artifacts["another"] = []byte("another")
	g.Artifacts[Artifact] = archiveOf(t, ArtifactFile, reportOf(t, "dev"))
	g.Comments[7] = []map[string]any{commentOf(1, "someone", "User", "hello"), commentOf(2, "someone", "User", Marker+"\nI am you")}
	return g
}

func client(g *github) *Client {
	return &Client{API: g.Serve(), Repository: githubtest.Repository, Token: token}
}

// reportOf is a report in which stacks change; with none nothing does.
func reportOf(t *testing.T, stacks ...string) []byte {
	t.Helper()
	r := &changes.Report{Version: changes.Version, Source: changes.Computed, Base: "a", Head: "b", Stacks: []changes.Stack{}}
	for _, name := range stacks {
		r.Stacks = append(r.Stacks, changes.Stack{Name: name, What: changes.Changed, Counts: changes.Counts{Changed: 1}})
	}
	var b bytes.Buffer
	if err := r.JSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var options = Options{RunID: githubtest.Run, Workflow: ".github/workflows/diff.yml", Author: bot}

func TestPost(t *testing.T) {
	// manyOf puts one after so many others that it comes on a later page.
	manyOf := func(n int, last map[string]any, filler func(i int) map[string]any) []map[string]any {
		var all []map[string]any
		for i := range n {
			all = append(all, filler(i))
		}
		return append(all, last)
	}
	for name, tc := range map[string]struct {
		change  func(*testing.T, *github)
		want    Outcome
		write   string // beginning of what was written, if anything
		reason  string // or what is said
		wantErr string
	}{
		"creates its comment": {want: Created, write: "POST /repos/o/r/issues/7/comments\n" + Marker + "\n### What"},
		"edits its own": {
			change: func(_ *testing.T, g *github) {
				g.Comments[7] = append(g.Comments[7], commentOf(3, bot, "Bot", Marker+"\nold"))
			},
			want: Updated, write: "PATCH /repos/o/r/issues/comments/3\n" + Marker + "\n### What",
		},
		"never another's with the marker": {
			change: func(_ *testing.T, g *github) {
				g.Comments[7] = []map[string]any{commentOf(2, "someone", "User", Marker)}
			},
			want: Created, write: "POST ",
		},
		"never a user's of the bot's name": {
			change: func(_ *testing.T, g *github) { g.Comments[7] = []map[string]any{commentOf(2, bot, "User", Marker)} },
			want:   Created, write: "POST ",
		},
		"never the bot's without the marker": {
			change: func(_ *testing.T, g *github) {
				g.Comments[7] = []map[string]any{commentOf(2, bot, "Bot", "coverage\n"+Marker)}
			},
			want: Created, write: "POST ",
		},
		"finds its own on a later page": {
			change: func(_ *testing.T, g *github) {
				g.Comments[7] = manyOf(250, commentOf(999, bot, "Bot", Marker), func(i int) map[string]any { return commentOf(i, "u", "User", "x") })
			},
			want: Updated, write: "PATCH /repos/o/r/issues/comments/999\n",
		},
		"finds the pull request on a later page": {
			change: func(_ *testing.T, g *github) {
				g.Pulls = manyOf(250, pullOf(7, head, "o/r"), func(i int) map[string]any { return pullOf(1000+i, other, "o/r") })
			},
			want: Created, write: "POST /repos/o/r/issues/7/comments\n",
		},
		"no pull request": {
			change: func(_ *testing.T, g *github) { g.Pulls = g.Pulls[:1] }, want: Nothing, reason: "no open pull request has",
		},
		"two pull requests": {
			change: func(_ *testing.T, g *github) { g.Pulls = append(g.Pulls, pullOf(8, head, "o/r")) }, want: Nothing, reason: "several pull requests",
		},
		"a pull request into another repository": {
			change: func(_ *testing.T, g *github) { g.Pulls = []map[string]any{pullOf(7, head, "fork/r")} }, want: Nothing, reason: "no open pull request has",
		},
		"nothing changes, nothing was said": {
			change: func(t *testing.T, g *github) { g.Artifacts[Artifact] = archiveOf(t, ArtifactFile, reportOf(t)) }, want: Nothing, reason: "nothing changes",
		},
		"nothing changes any more": {
			change: func(t *testing.T, g *github) {
				g.Artifacts[Artifact] = archiveOf(t, ArtifactFile, reportOf(t))
				g.Comments[7] = append(g.Comments[7], commentOf(3, bot, "Bot", Marker+"\nold"))
			},
			want: Updated, write: "PATCH /repos/o/r/issues/comments/3\n" + Marker + "\nThis change does nothing",
		},
		"says large of itself": {
			change: func(_ *testing.T, g *github) { g.Size = maxArchive + 1 }, want: Created, write: "POST /repos/o/r/issues/7/comments\n" + Marker + "\nThe report of what this change does to the stacks is too large",
		},
		"is larger than it says": {
			change: func(t *testing.T, g *github) {
				g.Artifacts[Artifact] = archiveOf(t, ArtifactFile, bytes.Repeat([]byte(" "), maxReport+10)) // 16 KB when packed
			},
			want: Created, write: "POST /repos/o/r/issues/7/comments\n" + Marker + "\nThe report of what this change does to the stacks is too large",
		},
		"another event":    {change: func(_ *testing.T, g *github) { g.Run["event"] = "push" }, want: Nothing, reason: "not for a pull request"},
		"a failed run":     {change: func(_ *testing.T, g *github) { g.Run["conclusion"] = "failure" }, want: Nothing, reason: "did not succeed"},
		"another workflow": {change: func(_ *testing.T, g *github) { g.Run["path"] = ".github/workflows/x.yml" }, want: Nothing, reason: "another workflow"},
		"a strange commit": {change: func(_ *testing.T, g *github) { g.Run["head_sha"] = "../x" }, wantErr: "no commit"},
		"no artifact":      {change: func(_ *testing.T, g *github) { delete(g.Artifacts, Artifact) }, wantErr: "has no artifact"},
		"no archive":       {change: func(_ *testing.T, g *github) { g.Artifacts[Artifact] = []byte("@octocat") }, wantErr: "artifact meshwright-diff"},
		"another file": {
			change: func(t *testing.T, g *github) {
				g.Artifacts[Artifact] = archiveOf(t, "../../"+ArtifactFile, reportOf(t, "dev"))
			}, wantErr: "holds no diff.json",
		},
		"markdown for a report": {
			change: func(t *testing.T, g *github) {
				g.Artifacts[Artifact] = archiveOf(t, ArtifactFile, []byte("@octocat <script>"))
			}, wantErr: "report:",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := one(t)
			if tc.change != nil {
				tc.change(t, g)
			}
			got, reason, err := Post(t.Context(), client(g), options)
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) || strings.Contains(err.Error(), token) {
					t.Errorf("got %v, want %q", err, tc.wantErr)
				}
				if len(g.Writes()) > 0 {
					t.Errorf("it wrote %q", g.Writes())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got != tc.want || !strings.Contains(reason, tc.reason) {
				t.Errorf("got %s (%s), want %s (%s)", got, reason, tc.want, tc.reason)
			}
			if tc.write == "" {
				if len(g.Writes()) > 0 {
					t.Errorf("it wrote %q", g.Writes())
				}
				return
			}
			if len(g.Writes()) != 1 || !strings.HasPrefix(g.Writes()[0], tc.write) {
				t.Errorf("it wrote %q, want %q", g.Writes(), tc.write)
			}
		})
	}
}

// TestPostTwiceWritesOnce: the second time the comment says it already.
func TestPostTwiceWritesOnce(t *testing.T) {
	g := one(t)
	c := client(g)
	if _, _, err := Post(t.Context(), c, options); err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(g.Writes()[0], "\n")
	g.Comments[7] = append(g.Comments[7], commentOf(3, bot, "Bot", body))
	got, _, err := Post(t.Context(), c, options)
	if err != nil || got != Unchanged || len(g.Writes()) != 1 {
		t.Errorf("got %s, %v; %d writes", got, err, len(g.Writes()))
	}
}

// TestHostileReport: a pull request writes its report as it likes; what is shown
// of it is rendered here, within GitHub's limit.
func TestHostileReport(t *testing.T) {
	g := one(t)
	evil := "x`\n\n" + Marker + "\n@octocat <img src=x> [a](https://evil.invalid) #1"
	r := &changes.Report{Version: changes.Version, Source: changes.Live, Base: evil, Head: evil}
	for i := range 3000 {
		r.Stacks = append(r.Stacks, changes.Stack{
			Name: fmt.Sprint(evil, i), What: changes.Removed, Counts: changes.Counts{Removed: -5},
			Clusters: []changes.Cluster{{Name: evil, What: changes.Replaced, Resources: []changes.Resource{{
				What: changes.Replaced, Type: evil, Name: evil, Because: []string{evil}, Properties: []changes.Property{{Path: evil, Old: evil, New: map[string]any{evil: nil}}},
			}}}},
		})
	}
	var b bytes.Buffer
	if err := r.JSON(&b); err != nil {
		t.Fatal(err)
	}
	g.Artifacts[Artifact] = archiveOf(t, ArtifactFile, b.Bytes())
	if got, _, err := Post(t.Context(), client(g), options); err != nil || got != Created {
		t.Fatalf("%s, %v", got, err)
	}
	_, body, _ := strings.Cut(g.Writes()[0], "\n")
	if len(body) > changes.MaxMarkdown {
		t.Errorf("%d bytes", len(body))
	}
	if lines := strings.Split(body, "\n"); strings.Count(body, Marker+"\n") != 1 || slices.ContainsFunc(lines, func(l string) bool {
		return strings.HasPrefix(l, "@") || strings.HasPrefix(l, "<img")
	}) {
		t.Errorf("something of the report's got out: %.2000s", body)
	}
	if !strings.Contains(body, "both programs were run against simulated providers") {
		t.Error("it passes for a report on what is running")
	}
}

func TestServerTrouble(t *testing.T) {
	g := one(t)
	g.Refuse = "GET"
	_, _, err := Post(t.Context(), client(g), options)
	if err == nil || !strings.Contains(err.Error(), "403") || strings.Contains(err.Error(), token) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff("a", file("a@b")); diff != "" {
		t.Error(diff)
	}
}
