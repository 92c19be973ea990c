// Package snippets compares the Go code in the documentation with the examples that the
// tests run, and with the files that CONTRIBUTING.md explains: every snippet is cut from
// one of them.
package snippets

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	pages    = []string{"README.md", "CONTRIBUTING.md", "docs/*.md", "automation/doc.go", "automation/labtest/doc.go"}
	examples = []string{"examples/*/*.go", "automation/example_test.go"}
	// CONTRIBUTING.md shows how a check, a fault, a drill and a component are written.
	models = []string{"verify/*.go", "fault/*.go", "drill/*.go", "components/*/*.go", "stacks/*.go", "test/faults/*.go"}
)

func TestSnippets(t *testing.T) {
	sources, seen := read(t, slices.Concat(examples, models)), 0
	for path, text := range read(t, pages) {
		for _, snippet := range snippetsOf(path, text) {
			seen++
			if !isCutFromOne(snippet, sources) {
				t.Errorf("%s shows what no example does:\n%s", path, snippet)
			}
		}
	}
	if seen < 5 {
		t.Errorf("only %d snippets found", seen)
	}
}

func isCutFromOne(snippet string, sources map[string]string) bool {
	for _, source := range sources {
		if cut(snippet, source) {
			return true
		}
	}
	return false
}

func TestCut(t *testing.T) {
	const source = `
	// It begins.
	lab := Start(t)
	url := "http://shop" // where it is

	lab.Verify()
	lab.Destroy()`
	for snippet, want := range map[string]bool{
		"lab := Start(t)": true,
		"lab := Start(t)   // up, or the test ends":  true,
		"lab := Start(t)\n...\nlab.Verify()":         true,
		"lab.Verify()\nlab.Destroy()":                true,
		"lab := Start(t)\nlab.Verify()":              false, // something is between
		"lab := Start(t)\n...\nlab := Start(t)":      false,
		"lab.Destroy()\n...\nlab.Verify()":           false,
		"lab := Start(t)\n...\nlab.Outputs(ctx)":     false,
		"url := \"http://mill\"":                     false,
		"lab.Verify()\nlab.Destroy()\nlab.Destroy()": false,
	} {
		if got := cut(snippet, source); got != want {
			t.Errorf("%q is cut from the source: %v, want %v", snippet, got, want)
		}
	}
}

// cut reports whether the snippet's lines follow each other in the source, with
// anything where the snippet has "...". Comments and spacing do not count.
func cut(snippet, source string) bool {
	rest := code(source)
	for piece := range strings.SplitSeq("\n"+code(snippet), "\n...") {
		_, after, found := strings.Cut("\n"+rest, strings.TrimRight(piece, "\n")+"\n")
		if !found {
			return false
		}
		rest = after
	}
	return true
}

var (
	comment = regexp.MustCompile(`(^|\s)//.*`)
	fence   = regexp.MustCompile("(?ms)^ *```go\n(.*?)^ *```")
	indent  = regexp.MustCompile(`(?m)(?:^//\t.*\n)+`)
)

// code is a text's lines, each with its end, without comments, spacing and empty ones.
func code(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if line = strings.Join(strings.Fields(comment.ReplaceAllString(line, "")), " "); line != "" {
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}

// snippetsOf are the fenced Go blocks of a page, or the indented ones of a
// package's comment.
func snippetsOf(path, text string) []string {
	var all []string
	if filepath.Ext(path) == ".go" {
		for _, block := range indent.FindAllString(text, -1) {
			all = append(all, strings.ReplaceAll(block, "//\t", ""))
		}
		return all
	}
	for _, block := range fence.FindAllStringSubmatch(text, -1) {
		all = append(all, block[1])
	}
	return all
}

// read returns the files of the repository that match, by path.
func read(t *testing.T, patterns []string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, p := range patterns {
		paths, err := filepath.Glob(filepath.Join("../..", p))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %v, %v", p, paths, err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files[path] = string(data)
		}
	}
	return files
}
