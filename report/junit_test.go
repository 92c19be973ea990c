package report

import (
	"bytes"
	"encoding/xml"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestJUnit(t *testing.T) {
	var b bytes.Buffer
	if err := odd().JUnit(&b, Options{}); err != nil {
		t.Fatal(err)
	}
	var got junitSuite
	if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatalf("not well-formed: %v\n%s", err, b.String())
	}
	if strings.ContainsAny(b.String(), "\x00\x1b\uFFFD\uFFFE") {
		t.Error("characters that XML cannot hold were written or replaced, not left out")
	}
	clean := strings.NewReplacer("\x00", "", "\x1b", "", "\xff", "", "\uFFFE", "").Replace(evil)
	want := junitSuite{
		XMLName: xml.Name{Local: "testsuite"}, Name: "meshwright verify",
		Tests: 4, Failures: 1, Skipped: 1, Time: 12.346, Timestamp: "2026-01-02T02:04:05", Hostname: "localhost",
		Properties: []junitProperty{
			{"verdict", "fail"},
			{"meshID", "mesh1" + clean},
			{"started", "2026-01-02T02:04:05Z"},
			{"cluster.cluster1", "network network1, control plane cluster1, region region1"},
			{"cluster.cluster2", ""},
		},
		Cases: []junitCase{
			{Name: "planes", Class: "meshwright.verify", Time: 1.5},
			{Name: "trust", Class: "meshwright.verify", Time: 0.25, Failure: &junitText{
				Type: "RootsDiffer", Message: "RootsDiffer: cluster1: roots differ " + clean + " (and 1 more)",
				Text: "RootsDiffer  cluster1: deployment " + clean + ": roots differ " + clean + "\n" +
					"RootsMixed  roots are mixed\nremedy: look " + clean + "\n\n-- cluster1: log " + clean + "\nline\n" + clean + "\n",
			}},
			{Name: "discovery", Class: "meshwright.verify", Skipped: &junitText{Type: "NoWorkload", Message: "nothing to call " + clean}},
			{Name: "calls", Class: "meshwright.verify"},
		},
		Out: "planes: all there " + clean + "\ncalls: warning\nRequestErrors  slow " + clean + "\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("suite (-want +got):\n%s", diff)
	}
	// The schemas want these in this order, and times as plain decimals.
	order := regexp.MustCompile(`(?s)^<\?xml.*<testsuite name=.*<properties>.*</properties>.*<testcase.*<system-out>.*</system-out>\s*<system-err></system-err>\s*</testsuite>\s*$`)
	if !order.MatchString(b.String()) || !strings.Contains(b.String(), `time="0.000"`) {
		t.Errorf("not as the schemas want it:\n%s", b.String())
	}
}

func TestJUnitOfNothing(t *testing.T) {
	var b bytes.Buffer
	if err := (&Report{Verdict: Pass}).JUnit(&b, Options{}); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`tests="0"`, "<properties>", "<system-out>", `timestamp="0001-01-01T00:00:00"`} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("the suite lacks %s:\n%s", part, b.String())
		}
	}
}
