// Package githubtest stands in, on loopback, for those parts of GitHub's API that a
// comment under a pull request takes: one run of a workflow and its artifacts, open
// pull requests and their comments.
package githubtest

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// What the stand-in knows.
const (
	Repository = "o/r"
	Run        = 5 // ID of the run
	Token      = "t0ken"
	Bot        = "github-actions[bot]" // whose token it is
	Head       = "0123456789abcdef0123456789abcdef01234567"
	Other      = "ffffffffffffffffffffffffffffffffffffffff"
)

// GitHub is what the stand-in has. It is set before a request is made.
type GitHub struct {
	Run       map[string]any
	Pulls     []map[string]any         // the open ones
	Comments  map[int][]map[string]any // by the number of the pull request
	Artifacts map[string][]byte        // archives of the run, by name
	Size      int64                    // that the API says they have, in bytes; 0: their own
	Refuse    string                   // method of requests that are refused

	t      *testing.T
	store  string // base URL of where the archives lie
	mu     sync.Mutex
	writes []string
}

// New is the ordinary case: a run of diff.yml that succeeded, and one pull request
// of its commit, #7, beside another. There are no artifacts and no comments.
func New(t *testing.T) *GitHub {
	return &GitHub{
		t:   t,
		Run: map[string]any{"id": Run, "event": "pull_request", "conclusion": "success", "head_sha": Head, "path": ".github/workflows/diff.yml@main"},
		Pulls: []map[string]any{
			Pull(6, Other, Repository), Pull(7, Head, Repository),
		},
		Comments:  map[int][]map[string]any{},
		Artifacts: map[string][]byte{},
	}
}

// Pull is a pull request, from a fork into a repository.
func Pull(n int, sha, into string) map[string]any {
	return map[string]any{
		"number": n, "head": map[string]any{"sha": sha, "repo": map[string]any{"full_name": "fork/r"}},
		"base": map[string]any{"repo": map[string]any{"full_name": into}},
	}
}

// Comment is a comment by an account of a type, "User" or "Bot".
func Comment(id int, login, typ, body string) map[string]any {
	return map[string]any{"id": id, "body": body, "user": map[string]any{"login": login, "type": typ}}
}

// Zip is an archive of one file.
func Zip(t *testing.T, name string, data []byte) []byte {
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

// Writes are the comments that were written, in order: method, path and, from the
// second line on, the text.
func (g *GitHub) Writes() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.writes)
}

// Serve answers until the test's end. It returns the API's base URL.
func (g *GitHub) Serve() string {
	store := httptest.NewServer(http.HandlerFunc(g.archive))
	g.t.Cleanup(store.Close)
	g.store = strings.Replace(store.URL, "127.0.0.1", "localhost", 1) // another host

	mux := http.NewServeMux()
	mux.HandleFunc("GET /repos/o/r/actions/runs/5", func(w http.ResponseWriter, _ *http.Request) { g.answer(w, g.Run) })
	mux.HandleFunc("GET /repos/o/r/pulls", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("state") != "open" {
			g.t.Error("closed pull requests were asked for")
		}
		g.page(w, r, g.Pulls)
	})
	mux.HandleFunc("GET /repos/o/r/actions/runs/5/artifacts", func(w http.ResponseWriter, _ *http.Request) {
		list := []map[string]any{}
		for id, name := range g.names() {
			size := g.Size
			if size == 0 {
				size = int64(len(g.Artifacts[name]))
			}
			list = append(list, map[string]any{"id": id, "name": name, "size_in_bytes": size})
		}
		g.answer(w, map[string]any{"artifacts": list})
	})
	mux.HandleFunc("GET /repos/o/r/actions/artifacts/{id}/zip", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, g.store+"/"+r.PathValue("id"), http.StatusFound)
	})
	mux.HandleFunc("GET /repos/o/r/issues/{n}/comments", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.PathValue("n"))
		g.page(w, r, g.Comments[n])
	})
	mux.HandleFunc("POST /repos/o/r/issues/{n}/comments", g.write)
	mux.HandleFunc("PATCH /repos/o/r/issues/comments/{id}", g.write)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		switch {
		case r.Header.Get("Authorization") != "Bearer "+Token:
			http.Error(w, "who are you", http.StatusUnauthorized)
		case r.Method == g.Refuse:
			http.Error(w, "rate limit", http.StatusForbidden)
		default:
			mux.ServeHTTP(w, r)
		}
	}))
	g.t.Cleanup(srv.Close)
	return srv.URL
}

// names are those of the artifacts; an artifact's ID is its place among them.
func (g *GitHub) names() []string { return slices.Sorted(maps.Keys(g.Artifacts)) }

func (g *GitHub) archive(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.Header.Get("Authorization") != "" {
		g.t.Error("the token went to another host")
	}
	id, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
	if names := g.names(); err == nil && id < len(names) {
		_, _ = w.Write(g.Artifacts[names[id]])
	}
}

func (g *GitHub) write(w http.ResponseWriter, r *http.Request) {
	var in map[string]string
	data, _ := io.ReadAll(r.Body)
	if err := json.Unmarshal(data, &in); err != nil {
		g.t.Error(err)
	}
	g.writes = append(g.writes, r.Method+" "+r.URL.Path+"\n"+in["body"])
	g.answer(w, map[string]any{"id": 1})
}

func (g *GitHub) page(w http.ResponseWriter, r *http.Request, all []map[string]any) {
	size, _ := strconv.Atoi(r.URL.Query().Get("per_page"))
	n, _ := strconv.Atoi(r.URL.Query().Get("page"))
	from := min((n-1)*size, len(all))
	g.answer(w, all[from:min(from+size, len(all))])
}

func (g *GitHub) answer(w http.ResponseWriter, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		g.t.Error(err)
	}
}
