package imagelock

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/paths"
)

// chartServer is a chart repository whose files are in the map, by path.
func chartServer(t *testing.T, files map[string]string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := files[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(server.Close)
	return server
}

// TestCharts: an archive is recorded when it is first seen, and no other is let
// pass under its name and version.
func TestCharts(t *testing.T) {
	files := map[string]string{"/charts/base-1.0.0.tgz": "base", "/elsewhere/istiod.tgz": "istiod"}
	server := chartServer(t, files)
	files["/charts/index.yaml"] = `
entries:
  base:
    - {version: 0.9.0, urls: [base-0.9.0.tgz]}
    - {version: 1.0.0, digest: of something else, urls: [base-1.0.0.tgz]}
  istiod:
    - {version: 1.0.0, urls: ["` + server.URL + `/elsewhere/istiod.tgz"]}
`
	chart := func(name string) artifacts.Chart {
		return artifacts.Chart{Name: name, Version: "1.0.0", Repo: server.URL + "/charts"}
	}
	file := filepath.Join(t.TempDir(), "images.lock.json")
	check := func(charts ...string) (map[string]string, error) {
		set := &artifacts.Set{Charts: map[string]artifacts.Chart{"kit's": {Name: "kit's", Path: "charts/kit.tgz"}}}
		for _, name := range charts {
			set.Charts[name] = chart(name)
		}
		err := Charts(t.Context(), set, file, Archive)
		l, readErr := read(file)
		return l.Charts, errors.Join(err, readErr)
	}
	sum := func(text string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text))) }
	base, istiod := server.URL+"/charts/base:1.0.0", server.URL+"/charts/istiod:1.0.0"

	got, err := check("base")
	if diff := cmp.Diff(map[string]string{base: sum("base")}, got); diff != "" || err != nil {
		t.Errorf("first use: %v %s", err, diff)
	}
	both := map[string]string{base: sum("base"), istiod: sum("istiod")}
	for _, time := range []string{"one more", "as locked"} {
		got, err = check("base", "istiod")
		if diff := cmp.Diff(both, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", time, err, diff)
		}
	}
	files["/charts/base-1.0.0.tgz"] = "base, and more"
	got, err = check("base", "istiod")
	if diff := cmp.Diff(both, got); diff != "" || !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), base) {
		t.Errorf("changed: %v %s", err, diff)
	}
}

func TestArchiveRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		files map[string]string
		says  string
	}{
		"no index":   {says: "404"},
		"no YAML":    {map[string]string{"/index.yaml": "{"}, "index.yaml"},
		"no version": {map[string]string{"/index.yaml": `entries: {base: [{version: 2.0.0, urls: [x]}]}`}, "no version 1.0.0"},
		"no address": {map[string]string{"/index.yaml": `entries: {base: [{version: 1.0.0}]}`}, "no version 1.0.0"},
		"no archive": {map[string]string{"/index.yaml": `entries: {base: [{version: 1.0.0, urls: [x.tgz]}]}`}, "x.tgz answers with 404"},
	} {
		t.Run(name, func(t *testing.T) {
			server := chartServer(t, tc.files)
			set := &artifacts.Set{Charts: map[string]artifacts.Chart{"base": {Name: "base", Version: "1.0.0", Repo: server.URL}}}
			file := filepath.Join(t.TempDir(), "images.lock.json")
			err := Charts(t.Context(), set, file, Archive)
			if err == nil || errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v, want %q", err, tc.says)
			}
			if _, err := os.Stat(file); err == nil {
				t.Error("something was locked")
			}
		})
	}
}

// TestBothKeepTheOthersLines: images and charts are in one file.
func TestBothKeepTheOthersLines(t *testing.T) {
	file := filepath.Join(t.TempDir(), "images.lock.json")
	var images asked
	if _, err := Pin(t.Context(), artifacts.Registry(), file, images.resolve); err != nil {
		t.Fatal(err)
	}
	chart := func(_ context.Context, c artifacts.Chart) (string, error) { return fakeDigest(c.Name), nil }
	if err := Charts(t.Context(), artifacts.Registry(), file, chart); err != nil {
		t.Fatal(err)
	}
	l, err := read(file)
	if err != nil || len(l.Images) != len(images.references) || len(l.Charts) != len(artifacts.Registry().Charts) {
		t.Errorf("%+v, %v", l, err)
	}
}

func TestFile(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "/state")
	t.Chdir("/")
	for name, tc := range map[string]struct{ variable, project, want string }{
		"of the project":    {project: "/code", want: "/code/images.lock.json"},
		"without a project": {want: paths.State() + "/images.lock.json"},
		"as asked":          {variable: "team.json", project: "/code", want: "/team.json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("MESHWRIGHT_LOCK", tc.variable)
			if got := File(tc.project); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}
