package verify

import (
	"github.com/meshwright/meshwright/mesh/topology"

	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// evil is what a log, an error or a name may hold.
const evil = "</pre></failure><script>alert('1')</script> & \"quotes\" \x00\x1b[31mred\x1b[0m \xff\uFFFE ]]> ünïcode"

// odd is a report with every outcome, and foreign text wherever there can be some.
func odd() *Report {
	return &Report{
		Version: FormatVersion, Verdict: Fail, MeshID: "mesh1" + evil, Seconds: 12.3456,
		Started:  time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600)),
		Clusters: []topology.Cluster{{Name: "cluster1", Network: "network1", ControlPlane: "cluster1", Locality: topology.Locality{Region: "region1"}}, {Name: "cluster2"}},
		Checks: []Result{
			{ID: "control-plane", Title: "control planes", Proves: "they are there", Required: true, Status: Passed, Summary: "all there " + evil, Attempts: 2, Retried: []string{evil}, Seconds: 1.5, Data: map[string]any{"a": evil, "n": 1e-9}},
			{
				ID: "trust", Title: "one root", Required: true, Status: Failed, Reason: ReasonRootsDiffer, Summary: "cluster1: roots differ " + evil + " (and 1 more)", Remedy: Remedy{Text: "look " + evil}, Attempts: 1, Seconds: 0.25,
				Findings: []Finding{
					{Reason: ReasonRootsDiffer, Cluster: "cluster1", Object: "deployment " + evil, Message: "roots differ " + evil},
					{Reason: ReasonRootsMixed, Message: "roots are mixed", Warning: true},
				},
				Evidence: []Evidence{{Title: "log " + evil, Cluster: "cluster1", Kind: EvidenceLog, Content: "line\n" + evil + "\n"}},
			},
			{ID: "discovery", Title: "discovery", Required: true, Status: Skipped, Reason: ReasonNoWorkload, Summary: "nothing to call " + evil},
			{ID: "connectivity", Title: "calls", Status: Warned, Reason: ReasonRequestErrors, Summary: "slow " + evil, Seconds: 1e-9, Findings: []Finding{{Reason: ReasonRequestErrors, Message: "slow " + evil, Warning: true}}},
		},
	}
}

func TestJUnit(t *testing.T) {
	var b bytes.Buffer
	if err := odd().JUnit(&b, nil); err != nil {
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
			{Name: "control-plane", Class: "meshwright.verify", Time: 1.5},
			{Name: "trust", Class: "meshwright.verify", Time: 0.25, Failure: &junitText{
				Type: "RootsDiffer", Message: "RootsDiffer: cluster1: roots differ " + clean + " (and 1 more)",
				Text: "RootsDiffer  cluster1: deployment " + clean + ": roots differ " + clean + "\n" +
					"RootsMixed  roots are mixed\nremedy: look " + clean + "\n\n-- cluster1: log " + clean + "\nline\n" + clean + "\n",
			}},
			{Name: "discovery", Class: "meshwright.verify", Skipped: &junitText{Type: "NoWorkload", Message: "nothing to call " + clean}},
			{Name: "connectivity", Class: "meshwright.verify"},
		},
		Out: "control-plane: all there " + clean + "\nconnectivity: warning\nRequestErrors  slow " + clean + "\n",
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
	if err := (&Report{Verdict: Pass}).JUnit(&b, nil); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`tests="0"`, "<properties>", "<system-out>", `timestamp="0001-01-01T00:00:00"`} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("the suite lacks %s:\n%s", part, b.String())
		}
	}
}

func TestHTML(t *testing.T) {
	var b bytes.Buffer
	if err := odd().HTML(&b, nil); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	for _, bad := range []string{"<script", "http://", "https://", "src=", "url(", "@import", "ZgotmplZ", "\x00"} {
		if strings.Contains(got, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	for _, part := range []string{
		`<span class="status fail">fail</span>`, "1 passed, 1 failed, 1 with warnings, 1 skipped in 12.3 s",
		"<td>region1</td>", `<section class="skip" id="discovery">`, "attempt 2", "earlier attempts", "what was measured",
		"<details><summary>cluster1: log &lt;/pre&gt;", "RootsMixed (warning)", "2026-01-02 02:04:05 UTC", "not required",
	} {
		if !strings.Contains(got, part) {
			t.Errorf("the page lacks %q", part)
		}
	}
	for _, element := range []string{"section", "details", "table", "pre", "p", "td"} {
		opened := len(regexp.MustCompile("<"+element+"[ >]").FindAllString(got, -1))
		if closed := strings.Count(got, "</"+element+">"); opened != closed {
			t.Errorf("%d of %s opened, %d closed", opened, element, closed)
		}
	}
	hopeless := odd()
	hopeless.Checks[0].Data = func() {}
	b.Reset()
	if err := hopeless.HTML(&b, nil); err == nil || b.Len() > 0 {
		t.Errorf("data that cannot be rendered: error %v after %d bytes", err, b.Len())
	}
}

func TestRenderersReportWriteErrors(t *testing.T) {
	full := errors.New("disk full")
	for name, render := range map[string]func(io.Writer, func(Remedy) string) error{"junit": odd().JUnit, "html": odd().HTML} {
		t.Run(name, func(t *testing.T) {
			if err := render(failing{full}, nil); !errors.Is(err, full) {
				t.Errorf("error %v", err)
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
