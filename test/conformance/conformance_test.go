package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/report"
	"github.com/meshwright/meshwright/test/faults/matrix"
	"github.com/meshwright/meshwright/verify"
)

// TestEveryStackFileIsTaken: a stack that is added is taken through its life too.
func TestEveryStackFileIsTaken(t *testing.T) {
	var want, got []string
	for _, dir := range []string{"../..", "."} {
		files, err := filepath.Glob(filepath.Join(dir, "Pulumi.*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			want = append(want, strings.TrimSuffix(strings.TrimPrefix(filepath.Base(f), "Pulumi."), ".yaml"))
		}
	}
	restarts := 0
	for _, s := range stacks() {
		got = append(got, s.name)
		dir := "../.."
		if s.project != "" {
			dir = filepath.Join(dir, s.project)
		}
		if _, err := os.Stat(filepath.Join(dir, "Pulumi."+s.name+".yaml")); err != nil {
			t.Error(err)
		}
		if s.restart {
			restarts++
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stack files and stacks taken (-want +got):\n%s", diff)
	}
	if restarts < 2 {
		t.Errorf("the nodes of %d stacks are restarted, want dev and a flat one", restarts)
	}
}

func TestChoose(t *testing.T) {
	for name, c := range map[string]struct {
		extent extent
		only   string
		want   []string
	}{
		"all":     {extent{}, "", []string{"dev", "flat-multi-primary", "primary-remote", "flat-primary-remote", "three-region", "pair-and-remote", "remote-beside-primary"}},
		"short":   {extent{short: true}, "", []string{"pair-and-remote", "remote-beside-primary"}},
		"restart": {extent{restart: true}, "", []string{"dev", "flat-multi-primary"}},
		"faults":  {extent{faults: true}, "", []string{"flat-multi-primary", "primary-remote"}},
		"some":    {extent{short: true}, "dev,three-region", []string{"dev", "three-region"}},
	} {
		chosen, err := choose(c.extent, c.only)
		var got []string
		for _, s := range chosen {
			got = append(got, s.name)
		}
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v; -want +got:\n%s", name, err, diff)
		}
	}
	if _, err := choose(extent{}, "devel"); err == nil {
		t.Error("an unknown stack was chosen")
	}
}

func TestRestartVerdict(t *testing.T) {
	swapped := func(r restart) *restart {
		r.Before = map[string]string{"a": "10.0.0.2", "b": "10.0.0.3"}
		r.After = map[string]string{"a": "10.0.0.3", "b": "10.0.0.2"}
		return &r
	}
	same := swapped(restart{Answers: time.Second, Clean: time.Second})
	same.After = same.Before
	for name, c := range map[string]struct {
		restart *restart
		want    string
		count   int
	}{
		"in time":          {swapped(restart{Answers: 59 * time.Second, Clean: 61 * time.Second}), "", 0},
		"late":             {swapped(restart{Answers: 61 * time.Second, Clean: 61 * time.Second}), "61.0 s", 1},
		"never":            {swapped(restart{LastError: "no route"}), "no route", 1},
		"never clean":      {swapped(restart{Answers: time.Second, LastError: "3 of 24 calls failed"}), "3 of 24", 1},
		"addresses stayed": {same, "old address", 2},
	} {
		got := c.restart.verdict()
		if len(got) != c.count || !strings.Contains(strings.Join(got, "\n"), c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestJudge: a report conforms if it says that all is well of everything that was asked.
func TestJudge(t *testing.T) {
	if diff := cmp.Diff(verify.ReadOnlyIDs(), quickChecks); diff != "" {
		t.Errorf("verify's checks and those required (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(verify.IDs(), fullChecks); diff != "" {
		t.Errorf("verify's checks with --full and those required (-want +got):\n%s", diff)
	}
	for name, c := range map[string]struct {
		change func(*report.Report)
		want   []string // in the failures, in order
	}{
		"all well":  {func(*report.Report) {}, nil},
		"a warning": {func(r *report.Report) { r.Checks[1].Status = report.Warned }, nil},
		"a failure": {func(r *report.Report) {
			r.Checks[3].Status, r.Checks[3].Reason, r.Verdict = report.Failed, verify.ReasonNoAnswer, report.Fail
		}, []string{"check connectivity: fail NoAnswer", "the verdict is fail"}},
		"a skip": {func(r *report.Report) {
			r.Checks[7].Status, r.Checks[7].Reason, r.Verdict = report.Skipped, verify.ReasonNoDeployer, report.Partial
		}, []string{"check mtls: skip NoDeployer", "the verdict is partial"}},
		"quick checks alone": {func(r *report.Report) { r.Checks = r.Checks[:5] }, []string{
			"check distribution: it was not made", "check failover: it was not made", "check mtls: it was not made",
		}},
		"no verdict": {func(r *report.Report) { r.Verdict = "" }, []string{"the verdict is "}},
	} {
		got := &report.Report{Verdict: report.Pass}
		for _, id := range fullChecks {
			got.Checks = append(got.Checks, report.Result{ID: id, Status: report.Passed, Required: true})
		}
		c.change(got)
		var r result
		r.judge("", got, fullChecks)
		if len(r.Failures) != len(c.want) {
			t.Errorf("%s: %q, want %q", name, r.Failures, c.want)
			continue
		}
		for i := range c.want {
			if !strings.HasPrefix(r.Failures[i], c.want[i]) {
				t.Errorf("%s: %q, want %q", name, r.Failures[i], c.want[i])
			}
		}
	}
}

// TestReportOf: what verify prints counts only with the exit code that goes with it.
func TestReportOf(t *testing.T) {
	exit := func(code string) error { return exec.Command("sh", "-c", "exit "+code).Run() }
	for name, c := range map[string]struct {
		stdout string
		ended  error
		want   report.Verdict // "": an error
	}{
		"pass":              {`{"verdict": "pass"}`, nil, report.Pass},
		"fail":              {`{"verdict": "fail"}`, exit("3"), report.Fail},
		"partial":           {`{"verdict": "partial"}`, exit("3"), report.Partial},
		"partial, and 0":    {`{"verdict": "partial"}`, nil, ""},
		"pass, and 1":       {`{"verdict": "pass"}`, exit("1"), ""},
		"killed afterwards": {`{"verdict": "pass"}`, context.DeadlineExceeded, ""},
		"nothing":           {``, exit("1"), ""},
		"no verdict":        {`{}`, exit("1"), ""},
	} {
		report, err := reportOf([]byte(c.stdout), c.ended)
		if (err == nil) != (c.want != "") || err == nil && report.Verdict != c.want {
			t.Errorf("%s: %v, %v", name, report, err)
		}
	}
}

// TestEveryFaultIsPlayed: by the end-to-end test on dev, or here. What the faults ask
// of a topology is tested with them.
func TestEveryFaultIsPlayed(t *testing.T) {
	played := map[string]bool{"wrong-network-label": true, "cross-network-gateway-deleted": true} // on dev
	for _, s := range stacks() {
		for _, f := range s.faults {
			played[f] = true
		}
	}
	for _, f := range matrix.Faults() {
		if !played[f.Name] {
			t.Errorf("%s is played by nobody", f.Name)
		}
		delete(played, f.Name)
	}
	if len(played) > 0 {
		t.Errorf("there are no such faults: %v", played)
	}
}

func TestJudgeFaults(t *testing.T) {
	r := result{Stack: stack{faults: []string{"a", "b", "c", "d"}}}
	r.Faults = []matrix.Row{{Fault: "a"}, {Fault: "b", Error: "calls is pass, want fail"}, {Fault: "c", Skipped: "no access to the nodes"}}
	r.judgeFaults()
	want := []string{"fault b: calls is pass, want fail", "fault c: it was not played", "fault d: it was not played"}
	if diff := cmp.Diff(want, r.Failures); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPhasesInOrder(t *testing.T) {
	phases := []phase{{"b", "answered by a", 7}, {"a", "answered by b", 9}, {"a", "API server answers", 3}}
	if got := last(phases, "answered by "); got != 9 {
		t.Errorf("last answer %d, want 9", got)
	}
	if got := last(append(phases, phase{"c", "answered by a", 0}), "answered by "); got != 0 {
		t.Errorf("last answer %d though one never came", got)
	}
}

func TestCompareAddresses(t *testing.T) {
	got := []string{"10.0.0.10", "10.0.0.9", "9.0.0.200", "10.0.0.2"}
	slices.SortFunc(got, compareAddresses)
	if diff := cmp.Diff([]string{"9.0.0.200", "10.0.0.2", "10.0.0.9", "10.0.0.10"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSynced(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		good bool
	}{
		"both":       {`[{"id":"a","syncStatus":"synced"},{"id":"b","secretName":"x/y","syncStatus":"synced"}]`, true},
		"timed out":  {`[{"id":"a","syncStatus":"synced"},{"id":"b","syncStatus":"timeout"}]`, false},
		"one absent": {`[{"id":"a","syncStatus":"synced"}]`, false},
		"not JSON":   {`no`, false},
	} {
		if err := synced([]byte(c.body), 2); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReplaceSection(t *testing.T) {
	got, err := replaceSection([]byte("a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n"), "x", "new\n")
	if err != nil || string(got) != "a\n<!-- x: begin -->\nnew\n<!-- x: end -->\nb\n" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := replaceSection([]byte("a\n"), "x", "new\n"); err == nil {
		t.Error("a document without markers was changed")
	}
	// The document that the run writes into has them.
	models, err := os.ReadFile("../../" + modelsFile)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := replaceSection(models, "measured", ""); err != nil {
		t.Errorf("%s: %v", modelsFile, err)
	}
}

// TestWriteReports: figures of a run in which a stack failed do not replace others.
func TestWriteReports(t *testing.T) {
	const before = "a\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nb\n"
	good, bad := &result{Stack: stacks()[0], Up: time.Minute}, &result{Stack: stacks()[1]}
	bad.fail("up: no")
	for name, c := range map[string]struct {
		out     string
		results []*result
		report  string
		models  bool // they are brought up to date
	}{
		"all conform":   {"", []*result{good, good}, reportFile, true},
		"one does not":  {"", []*result{good, bad}, reportFile, false},
		"to some place": {"elsewhere.md", []*result{good}, "elsewhere.md", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if err := os.MkdirAll(filepath.Dir(modelsFile), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(modelsFile, []byte(before), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := writeReports("Commit `abc`.", c.out, c.results); err != nil {
				t.Fatal(err)
			}
			if text, err := os.ReadFile(c.report); err != nil || !strings.Contains(string(text), "Commit `abc`.") {
				t.Errorf("report: %v: %s", err, text)
			}
			models, err := os.ReadFile(modelsFile)
			if err != nil || (string(models) != before) != c.models {
				t.Errorf("models: %v: %s", err, models)
			}
		})
	}
}

// TestRender: a report of one good and one bad stack says what it has to.
func TestRender(t *testing.T) {
	good := &result{
		Stack: stacks()[0], Up: 62 * time.Second, Verify: 2 * time.Second, Destroy: 3 * time.Second,
		Report: &report.Report{Checks: []report.Result{
			{ID: "control-plane", Status: report.Passed, Summary: "all | well", Seconds: 0.5},
			{ID: "trust", Status: report.Warned, Reason: verify.ReasonRootsMixed},
		}},
		Memory: []docker.Usage{{Container: labName + "-cluster1-control-plane", Bytes: 1 << 30}, {Container: labName + "-cluster2-control-plane", Bytes: 1 << 30}},
		Local:  latency{300, 1.25, 4}, Cross: latency{300, 2, 8},
		Restart: &restart{
			Stop: time.Second, Answers: 41 * time.Second, Clean: 45 * time.Second,
			Before: map[string]string{labName + "-a": "10.0.0.2"}, After: map[string]string{labName + "-a": "10.0.0.3"},
			Phases: []phase{{"cluster1", "API server answers", 9 * time.Second}, {"cluster2", "istiod is ready", 0}},
		},
		Faults: []matrix.Row{{
			Fault: "a", Title: "b is gone", Seen: 3, Restore: 0.5, Green: 4.25,
			Got: map[string]matrix.Outcome{
				verify.CheckTrust: {Status: report.Passed}, verify.CheckNetworks: {Status: report.Failed, Reason: verify.ReasonPodUnreachable},
				verify.CheckConnectivity: {Status: report.Failed, Reason: verify.ReasonVersionUnreachable},
			},
		}},
	}
	bad := &result{Stack: stacks()[2]}
	bad.fail("meshwright up: exit status 1\nsecond line")
	text := string(render("Commit `abc`.", []*result{good, bad}))
	for _, want := range []string{
		"Commit `abc`.", "| [`dev`](#dev) | pass | 62.0 s | 2.0 s | 1 pass, 1 warn | 2048 MiB | 41.0 s | 3.0 s |",
		"| [`primary-remote`](#primary-remote) | FAIL | – | – | – | – | – | – |", "- meshwright up: exit status 1\n  second line",
		"| control-plane | pass | 0.5 s | all \\| well |", "| trust | warn RootsMixed |", "1.2 / 4.0 ms of 300 requests", "| cluster1-control-plane | 1024 MiB |",
		"a 10.0.0.2 to 10.0.0.3", "| 9.0 s | cluster1 | API server answers |",
		"| `a`: b is gone | connectivity VersionUnreachable, networks PodUnreachable | 3.0 s | 0.5 s | 4.2 s |", "| never | cluster2 | istiod is ready |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	if table := costs([]*result{good}); !strings.Contains(table, "| `dev` | non-flat, multiple control planes | 62.0 s | 2048 MiB | 1.2 / 4.0 ms | 2.0 / 8.0 ms |") {
		t.Error(table)
	}
}
