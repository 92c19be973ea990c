package pullrequest

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/automation/changes"
)

const (
	bot   = "github-actions[bot]"
	head  = "0123456789abcdef0123456789abcdef01234567"
	other = "ffffffffffffffffffffffffffffffffffffffff"
	token = "t0ken"
)

// github stands in for GitHub's API, and for where it keeps artifacts.
type github struct {
	t        *testing.T
	run      map[string]any
	pulls    []map[string]any
	comments []map[string]any // under #7
	archive  []byte
	size     int64 // that the API says the archive has; 0: its own

	store  *httptest.Server
	writes []string
}

func (g *github) serve() *Client {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any) {
		if err := json.NewEncoder(w).Encode(v); err != nil {
			g.t.Error(err)
		}
	}
	page := func(w http.ResponseWriter, r *http.Request, all []map[string]any) {
		size, _ := strconv.Atoi(r.URL.Query().Get("per_page"))
		n, _ := strconv.Atoi(r.URL.Query().Get("page"))
		from := min((n-1)*size, len(all))
		answer(w, all[from:min(from+size, len(all))])
	}
	mux.HandleFunc("GET /repos/o/r/actions/runs/5", func(w http.ResponseWriter, _ *http.Request) { answer(w, g.run) })
	mux.HandleFunc("GET /repos/o/r/pulls", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("state") != "open" {
			g.t.Error("closed pull requests were asked for")
		}
		page(w, r, g.pulls)
	})
	mux.HandleFunc("GET /repos/o/r/actions/runs/5/artifacts", func(w http.ResponseWriter, _ *http.Request) {
		var list []map[string]any
		if g.archive != nil {
			size := g.size
			if size == 0 {
				size = int64(len(g.archive))
			}
			list = append(list, map[string]any{"id": 8, "name": "another"}, map[string]any{"id": 9, "name": Artifact, "size_in_bytes": size})
		}
		answer(w, map[string]any{"artifacts": list})
	})
	g.store = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			g.t.Error("the token went to another host")
		}
		_, _ = w.Write(g.archive)
	}))
	g.t.Cleanup(g.store.Close)
	mux.HandleFunc("GET /repos/o/r/actions/artifacts/9/zip", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.Replace(g.store.URL, "127.0.0.1", "localhost", 1), http.StatusFound)
	})
	mux.HandleFunc("GET /repos/o/r/issues/7/comments", func(w http.ResponseWriter, r *http.Request) { page(w, r, g.comments) })
	write := func(w http.ResponseWriter, r *http.Request) {
		var in map[string]string
		data, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(data, &in); err != nil {
			g.t.Error(err)
		}
		g.writes = append(g.writes, r.Method+" "+r.URL.Path+"\n"+in["body"])
		answer(w, map[string]any{"id": 1})
	}
	mux.HandleFunc("POST /repos/o/r/issues/{n}/comments", write)
	mux.HandleFunc("PATCH /repos/o/r/issues/comments/{id}", write)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	g.t.Cleanup(srv.Close)
	return &Client{API: srv.URL, Repository: "o/r", Token: token}
}

// one is the ordinary case: a report that changes something, one pull request
// among others, comments of others.
func one(t *testing.T) *github {
	return &github{
		t:   t,
		run: map[string]any{"id": 5, "event": "pull_request", "conclusion": "success", "head_sha": head, "path": ".github/workflows/diff.yml@main"},
		pulls: []map[string]any{
			pullOf(6, other, "o/r"), pullOf(7, head, "o/r"),
		},
		comments: []map[string]any{commentOf(1, "someone", "User", "hello"), commentOf(2, "someone", "User", Marker+"\nI am you")},
		archive:  archiveOf(t, ArtifactFile, reportOf(t, "dev")),
	}
}

func pullOf(n int, sha, base string) map[string]any {
	return map[string]any{
		"number": n, "head": map[string]any{"sha": sha, "repo": map[string]any{"full_name": "fork/r"}},
		"base": map[string]any{"repo": map[string]any{"full_name": base}},
	}
}

func commentOf(id int, login, typ, body string) map[string]any {
	return map[string]any{"id": id, "body": body, "user": map[string]any{"login": login, "type": typ}}
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

func archiveOf(t *testing.T, name string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create(name)
	if err == nil {
		_, err = w.Write(data)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var options = Options{RunID: 5, Workflow: ".github/workflows/diff.yml", Author: bot}

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
				g.comments = append(g.comments, commentOf(3, bot, "Bot", Marker+"\nold"))
			},
			want: Updated, write: "PATCH /repos/o/r/issues/comments/3\n" + Marker + "\n### What",
		},
		"never another's with the marker": {
			change: func(_ *testing.T, g *github) { g.comments = []map[string]any{commentOf(2, "someone", "User", Marker)} },
			want:   Created, write: "POST ",
		},
		"never a user's of the bot's name": {
			change: func(_ *testing.T, g *github) { g.comments = []map[string]any{commentOf(2, bot, "User", Marker)} },
			want:   Created, write: "POST ",
		},
		"never the bot's without the marker": {
			change: func(_ *testing.T, g *github) {
				g.comments = []map[string]any{commentOf(2, bot, "Bot", "coverage\n"+Marker)}
			},
			want: Created, write: "POST ",
		},
		"finds its own on a later page": {
			change: func(_ *testing.T, g *github) {
				g.comments = manyOf(250, commentOf(999, bot, "Bot", Marker), func(i int) map[string]any { return commentOf(i, "u", "User", "x") })
			},
			want: Updated, write: "PATCH /repos/o/r/issues/comments/999\n",
		},
		"finds the pull request on a later page": {
			change: func(_ *testing.T, g *github) {
				g.pulls = manyOf(250, pullOf(7, head, "o/r"), func(i int) map[string]any { return pullOf(1000+i, other, "o/r") })
			},
			want: Created, write: "POST /repos/o/r/issues/7/comments\n",
		},
		"no pull request": {
			change: func(_ *testing.T, g *github) { g.pulls = g.pulls[:1] }, want: Nothing, reason: "no open pull request has",
		},
		"two pull requests": {
			change: func(_ *testing.T, g *github) { g.pulls = append(g.pulls, pullOf(8, head, "o/r")) }, want: Nothing, reason: "several pull requests",
		},
		"a pull request into another repository": {
			change: func(_ *testing.T, g *github) { g.pulls = []map[string]any{pullOf(7, head, "fork/r")} }, want: Nothing, reason: "no open pull request has",
		},
		"nothing changes, nothing was said": {
			change: func(t *testing.T, g *github) { g.archive = archiveOf(t, ArtifactFile, reportOf(t)) }, want: Nothing, reason: "nothing changes",
		},
		"nothing changes any more": {
			change: func(t *testing.T, g *github) {
				g.archive = archiveOf(t, ArtifactFile, reportOf(t))
				g.comments = append(g.comments, commentOf(3, bot, "Bot", Marker+"\nold"))
			},
			want: Updated, write: "PATCH /repos/o/r/issues/comments/3\n" + Marker + "\nThis change does nothing",
		},
		"says large of itself": {
			change: func(_ *testing.T, g *github) { g.size = maxArchive + 1 }, want: Created, write: "POST /repos/o/r/issues/7/comments\n" + Marker + "\nThe report of what this change does to the stacks is too large",
		},
		"is larger than it says": {
			change: func(t *testing.T, g *github) {
				g.archive = archiveOf(t, ArtifactFile, bytes.Repeat([]byte(" "), maxReport+10)) // 16 KB when packed
			},
			want: Created, write: "POST /repos/o/r/issues/7/comments\n" + Marker + "\nThe report of what this change does to the stacks is too large",
		},
		"another event":    {change: func(_ *testing.T, g *github) { g.run["event"] = "push" }, want: Nothing, reason: "not for a pull request"},
		"a failed run":     {change: func(_ *testing.T, g *github) { g.run["conclusion"] = "failure" }, want: Nothing, reason: "did not succeed"},
		"another workflow": {change: func(_ *testing.T, g *github) { g.run["path"] = ".github/workflows/x.yml" }, want: Nothing, reason: "another workflow"},
		"a strange commit": {change: func(_ *testing.T, g *github) { g.run["head_sha"] = "../x" }, wantErr: "no commit"},
		"no artifact":      {change: func(_ *testing.T, g *github) { g.archive = nil }, wantErr: "has no artifact"},
		"no archive":       {change: func(_ *testing.T, g *github) { g.archive = []byte("@octocat") }, wantErr: "artifact meshwright-diff"},
		"another file": {
			change: func(t *testing.T, g *github) { g.archive = archiveOf(t, "../../"+ArtifactFile, reportOf(t, "dev")) }, wantErr: "holds no diff.json",
		},
		"markdown for a report": {
			change: func(t *testing.T, g *github) { g.archive = archiveOf(t, ArtifactFile, []byte("@octocat <script>")) }, wantErr: "report:",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := one(t)
			if tc.change != nil {
				tc.change(t, g)
			}
			got, reason, err := Post(t.Context(), g.serve(), options)
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) || strings.Contains(err.Error(), token) {
					t.Errorf("got %v, want %q", err, tc.wantErr)
				}
				if len(g.writes) > 0 {
					t.Errorf("it wrote %q", g.writes)
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
				if len(g.writes) > 0 {
					t.Errorf("it wrote %q", g.writes)
				}
				return
			}
			if len(g.writes) != 1 || !strings.HasPrefix(g.writes[0], tc.write) {
				t.Errorf("it wrote %q, want %q", g.writes, tc.write)
			}
		})
	}
}

// TestPostTwiceWritesOnce: the second time the comment says it already.
func TestPostTwiceWritesOnce(t *testing.T) {
	g := one(t)
	c := g.serve()
	if _, _, err := Post(t.Context(), c, options); err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(g.writes[0], "\n")
	g.comments = append(g.comments, commentOf(3, bot, "Bot", body))
	got, _, err := Post(t.Context(), c, options)
	if err != nil || got != Unchanged || len(g.writes) != 1 {
		t.Errorf("got %s, %v; %d writes", got, err, len(g.writes))
	}
}

// TestHostileReport: a pull request writes its report as it likes; what is shown
// of it is rendered here, within GitHub's limit.
func TestHostileReport(t *testing.T) {
	g := one(t)
	evil := "x`\n\n" + Marker + "\n@octocat <img src=x> [a](https://evil.invalid) #1"
	r := &changes.Report{Version: changes.Version, Source: evil, Base: evil, Head: evil}
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
	g.archive = archiveOf(t, ArtifactFile, b.Bytes())
	if got, _, err := Post(t.Context(), g.serve(), options); err != nil || got != Created {
		t.Fatalf("%s, %v", got, err)
	}
	_, body, _ := strings.Cut(g.writes[0], "\n")
	if len(body) > changes.MaxMarkdown {
		t.Errorf("%d bytes", len(body))
	}
	if lines := strings.Split(body, "\n"); strings.Count(body, Marker+"\n") != 1 || slices.ContainsFunc(lines, func(l string) bool {
		return strings.HasPrefix(l, "@") || strings.HasPrefix(l, "<img")
	}) {
		t.Errorf("something of the report's got out: %.2000s", body)
	}
}

func TestServerTrouble(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "rate limit", http.StatusForbidden)
	}))
	defer srv.Close()
	_, _, err := Post(t.Context(), &Client{API: srv.URL, Repository: "o/r", Token: token}, options)
	if err == nil || !strings.Contains(err.Error(), "403") || strings.Contains(err.Error(), token) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff("a", file("a@b")); diff != "" {
		t.Error(diff)
	}
}
