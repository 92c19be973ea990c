package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/testkit/golden"
	"github.com/meshwright/meshwright/mesh/topology"
)

// evil is what a log, an error or a name may hold.
const evil = "</pre></failure><script>alert('1')</script> & \"quotes\" \x00\x1b[31mred\x1b[0m \xff\uFFFE ]]> ünïcode"

// odd is a report with every outcome, and foreign text wherever there can be some.
func odd() *Report { return sample(evil) }

// sample is a report with every outcome, and a text wherever there can be some.
func sample(text string) *Report {
	return &Report{
		Version: FormatVersion, Verdict: Fail, MeshID: "mesh1" + text, Seconds: 12.3456,
		Started:  time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600)),
		Clusters: []topology.Cluster{{Name: "cluster1", Network: "network1", ControlPlane: "cluster1", Locality: topology.Locality{Region: "region1"}}, {Name: "cluster2"}},
		Checks: []Result{
			{ID: "planes", Title: "control planes", Proves: "they are there", Required: true, Status: Passed, Summary: "all there " + text, Attempts: 2, Retried: []string{text}, Seconds: 1.5, Data: map[string]any{"a": text, "n": 1e-9}},
			{
				ID: "trust", Title: "one root", Required: true, Status: Failed, Reason: "RootsDiffer", Summary: "cluster1: roots differ " + text + " (and 1 more)", Remedy: Remedy{Operation: "up", Text: "look " + text}, Attempts: 1, Seconds: 0.25,
				Findings: []Finding{
					{Reason: "RootsDiffer", Cluster: "cluster1", Object: "deployment " + text, Message: "roots differ " + text},
					{Reason: "RootsMixed", Message: "roots are mixed", Warning: true},
				},
				Evidence: []Evidence{{Title: "log " + text, Cluster: "cluster1", Kind: EvidenceLog, Content: "line\n" + text + "\n"}},
			},
			{ID: "discovery", Title: "discovery", Required: true, Status: Skipped, Reason: "NoWorkload", Summary: "nothing to call " + text},
			{ID: "calls", Title: "calls", Status: Warned, Reason: "RequestErrors", Summary: "slow " + text, Seconds: 1e-9, Findings: []Finding{{Reason: "RequestErrors", Message: "slow " + text, Warning: true}}},
		},
	}
}

func TestTable(t *testing.T) {
	var b bytes.Buffer
	if err := sample("text").Table(&b, Options{}); err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, filepath.Join("testdata", "table.txt"), b.Bytes())
}

func TestTableColor(t *testing.T) {
	for color, want := range map[bool]bool{true: true, false: false} {
		var b bytes.Buffer
		if err := sample("text").Table(&b, Options{Color: color}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(b.String(), "\x1b["); got != want {
			t.Errorf("color %v: escape sequences %v", color, got)
		}
	}
}

func TestJSONRoundTrip(t *testing.T) {
	wrote := sample("text")
	var b bytes.Buffer
	if err := wrote.JSON(&b); err != nil {
		t.Fatal(err)
	}
	var read Report
	if err := json.Unmarshal(b.Bytes(), &read); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wrote, &read); diff != "" {
		t.Errorf("report (-wrote +read):\n%s", diff)
	}
}

// TestRemedyOfTheCaller: every renderer words a remedy as the caller asks.
func TestRemedyOfTheCaller(t *testing.T) {
	o := Options{Remedy: func(r Remedy) string { return "lab " + string(r.Operation) + " --name two: " + r.Text }}
	r := sample("text")
	for name, render := range map[string]func(io.Writer, Options) error{"table": r.Table, "junit": r.JUnit, "html": r.HTML} {
		var b bytes.Buffer
		if err := render(&b, o); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), "lab up --name two: look text") {
			t.Errorf("%s lacks the remedy:\n%s", name, b.String())
		}
	}
}

func TestRemedyString(t *testing.T) {
	for want, r := range map[string]Remedy{
		"look at it; run `kubectl get pods`": {Operation: "up", Text: "look at it", Command: "kubectl get pods"},
		"run `kubectl get pods`":             {Command: "kubectl get pods"},
		"look at cluster cluster1":           {Operation: "up", Object: "cluster cluster1"},
		"":                                   {},
	} {
		if got := r.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestClip(t *testing.T) {
	for text, want := range map[string]string{"four": "four", "fives": "five...", "dreißig": "drei...", "aäöü": "aä..."} {
		if got := Clip(text, 4); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestJudge(t *testing.T) {
	for want, checks := range map[Verdict][]Result{
		Pass:    {{Status: Passed, Required: true}, {Status: Warned, Required: true}, {Status: Skipped}},
		Partial: {{Status: Skipped, Required: true}, {Status: Passed, Required: true}},
		Fail:    {{Status: Failed}, {Status: Skipped, Required: true}},
	} {
		r := Report{Checks: checks}
		if r.Judge(); r.Verdict != want {
			t.Errorf("verdict %q, want %q", r.Verdict, want)
		}
	}
}

func TestRenderersReportWriteErrors(t *testing.T) {
	full := errors.New("disk full")
	for name, render := range map[string]func(io.Writer, Options) error{"table": odd().Table, "junit": odd().JUnit, "html": odd().HTML} {
		t.Run(name, func(t *testing.T) {
			if err := render(failing{full}, Options{}); !errors.Is(err, full) {
				t.Errorf("error %v", err)
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
