package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/meshwright/meshwright/internal/ui"
	"github.com/meshwright/meshwright/report"
	"github.com/meshwright/meshwright/verify"
)

// TestVerifyExit: what was left out is not held against the mesh, what was asked for
// and not done is.
func TestVerifyExit(t *testing.T) {
	passed := report.Result{Status: report.Passed}
	leftOut := report.Result{Status: report.Skipped, Reason: report.ReasonNotSelected}
	for name, tc := range map[string]struct {
		checks []report.Result
		want   int
	}{
		"passed":               {[]report.Result{passed, {Status: report.Warned}}, ExitOK},
		"failed":               {[]report.Result{passed, {Status: report.Failed}}, ExitVerify},
		"the others left out":  {[]report.Result{passed, leftOut}, ExitOK},
		"the chosen one idle":  {[]report.Result{leftOut, {Status: report.Skipped, Reason: verify.ReasonNoRegions}}, ExitVerify},
		"one of all is idle":   {[]report.Result{passed, {Status: report.Skipped, Reason: verify.ReasonNoWorkload}}, ExitVerify},
		"the chosen one fails": {[]report.Result{leftOut, {Status: report.Failed}}, ExitVerify},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ExitCode(verifyExit(&report.Report{Checks: tc.checks})); got != tc.want {
				t.Errorf("exit code %d, want %d", got, tc.want)
			}
		})
	}
}

func TestReportFormats(t *testing.T) {
	report := &report.Report{Version: report.FormatVersion, Verdict: report.Pass}
	for format, want := range map[string]string{
		"table": "verdict: pass", "json": `"verdict": "pass"`, "junit": "<testsuite name=", "html": "<!doctype html>",
	} {
		t.Run(format, func(t *testing.T) {
			var out bytes.Buffer
			a := &App{Out: &out, Err: io.Discard, UI: ui.New(io.Discard, ui.Options{})}
			if err := a.render(report, format, nil); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), want) {
				t.Errorf("format %s lacks %q:\n%s", format, want, out.String())
			}
		})
	}
	var errs bytes.Buffer
	code := Main(t.Context(), &App{In: strings.NewReader(""), Out: io.Discard, Err: &errs}, []string{"verify", "--output", "yaml"})
	if code != ExitUsage || !strings.Contains(errs.String(), "html") {
		t.Errorf("an unknown format: code %d, %s", code, errs.String())
	}
}
