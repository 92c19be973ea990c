package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/meshwright/meshwright/automation/verify"
	"github.com/meshwright/meshwright/internal/ui"
)

func TestReportFormats(t *testing.T) {
	report := &verify.Report{Version: verify.FormatVersion, Verdict: verify.Pass}
	for format, want := range map[string]string{
		"table": "verdict: pass", "json": `"verdict": "pass"`, "junit": "<testsuite name=", "html": "<!doctype html>",
	} {
		t.Run(format, func(t *testing.T) {
			var out bytes.Buffer
			a := &App{Out: &out, Err: io.Discard, UI: ui.New(io.Discard, ui.Options{})}
			if err := a.render(report, format); err != nil {
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
