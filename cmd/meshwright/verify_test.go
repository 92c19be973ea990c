package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/meshwright/meshwright/internal/ui"
	"github.com/meshwright/meshwright/verify"
)

// TestVerifyExit: what was left out is not held against the mesh, what was asked for
// and not done is.
func TestVerifyExit(t *testing.T) {
	passed := verify.Result{Status: verify.Passed}
	leftOut := verify.Result{Status: verify.Skipped, Reason: verify.ReasonNotSelected}
	for name, tc := range map[string]struct {
		checks []verify.Result
		want   int
	}{
		"passed":               {[]verify.Result{passed, {Status: verify.Warned}}, ExitOK},
		"failed":               {[]verify.Result{passed, {Status: verify.Failed}}, ExitVerify},
		"the others left out":  {[]verify.Result{passed, leftOut}, ExitOK},
		"the chosen one idle":  {[]verify.Result{leftOut, {Status: verify.Skipped, Reason: verify.ReasonNoRegions}}, ExitVerify},
		"one of all is idle":   {[]verify.Result{passed, {Status: verify.Skipped, Reason: verify.ReasonNoWorkload}}, ExitVerify},
		"the chosen one fails": {[]verify.Result{leftOut, {Status: verify.Failed}}, ExitVerify},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ExitCode(verifyExit(&verify.Report{Checks: tc.checks})); got != tc.want {
				t.Errorf("exit code %d, want %d", got, tc.want)
			}
		})
	}
}

func TestReportFormats(t *testing.T) {
	report := &verify.Report{Version: verify.FormatVersion, Verdict: verify.Pass}
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
