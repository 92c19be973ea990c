package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/meshwright/meshwright/mesh/topology"
)

// junitSuite is the JUnit XML that Ant defined and every CI system reads, in the
// form that both its schemas in use accept (Windy Road's JUnit.xsd and Jenkins'
// junit-10.xsd): elements in this order, none left out, no time zone.
type junitSuite struct {
	XMLName    xml.Name        `xml:"testsuite"`
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       junitSeconds    `xml:"time,attr"`
	Timestamp  string          `xml:"timestamp,attr"`
	Hostname   string          `xml:"hostname,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
	Out        string          `xml:"system-out"`
	Err        string          `xml:"system-err"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Name    string       `xml:"name,attr"`
	Class   string       `xml:"classname,attr"`
	Time    junitSeconds `xml:"time,attr"`
	Failure *junitText   `xml:"failure"`
	Skipped *junitText   `xml:"skipped"`
}

type junitText struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// junitSeconds is a duration without an exponent, which the schemas do not know.
type junitSeconds float64

func (s junitSeconds) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%.3f", float64(s)), nil }

// JUnit writes the report as one test suite with a test case per check, for CI
// systems. A warning is a pass, and stands in the suite's output; a skipped check
// is a skipped test, also where it makes the verdict partial: read the property
// "verdict", or the exit code.
func (r *Report) JUnit(w io.Writer, o Options) error {
	suite := junitSuite{
		Name: "meshwright verify", Tests: len(r.Checks), Time: junitSeconds(r.Seconds),
		Timestamp: r.Started.UTC().Format("2006-01-02T15:04:05"), Hostname: "localhost",
		Properties: r.junitProperties(),
	}
	var out strings.Builder
	for _, c := range r.Checks {
		test := junitCase{Name: c.ID, Class: "meshwright.verify", Time: junitSeconds(c.Seconds)}
		switch c.Status {
		case Failed:
			suite.Failures++
			test.Failure = &junitText{Message: xmlText(string(c.Reason) + ": " + c.Summary), Type: xmlText(string(c.Reason)), Text: xmlText(c.account(o))}
		case Skipped:
			suite.Skipped++
			test.Skipped = &junitText{Message: xmlText(c.skip(o)), Type: xmlText(string(c.Reason))}
		case Warned:
			fmt.Fprintf(&out, "%s: warning\n%s", c.ID, c.account(o))
		case Passed:
			fmt.Fprintf(&out, "%s: %s\n", c.ID, c.Summary)
		}
		suite.Cases = append(suite.Cases, test)
	}
	suite.Out = xmlText(out.String())
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(suite); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (r *Report) junitProperties() []junitProperty {
	out := []junitProperty{
		{"verdict", r.Verdict},
		{"meshID", xmlText(r.MeshID)},
		{"started", r.Started.UTC().Format(time.RFC3339)},
	}
	for _, c := range r.Clusters {
		out = append(out, junitProperty{"cluster." + xmlText(c.Name), xmlText(describeCluster(c))})
	}
	return out
}

// describeCluster describes a cluster in words.
func describeCluster(c topology.Cluster) string {
	var parts []string
	for _, p := range []struct{ name, value string }{
		{"network", c.Network}, {"control plane", c.ControlPlane}, {"region", c.Region}, {"zone", c.Zone}, {"subzone", c.Subzone},
	} {
		if p.value != "" {
			parts = append(parts, p.name+" "+p.value)
		}
	}
	return strings.Join(parts, ", ")
}

// account is everything that was found, what to do, and the evidence.
func (c Result) account(o Options) string {
	var b strings.Builder
	for _, f := range c.Findings {
		fmt.Fprintf(&b, "%s  %s\n", f.Reason, f)
	}
	if remedy := o.remedy(c); remedy != "" {
		fmt.Fprintf(&b, "remedy: %s\n", remedy)
	}
	for _, e := range c.Evidence {
		fmt.Fprintf(&b, "\n-- %s\n%s\n", e.Heading(), strings.TrimRight(e.Content, "\n"))
	}
	return b.String()
}

// xmlText leaves out what XML 1.0 cannot hold, however it is escaped: most
// control characters, which logs are full of, and bytes that are not UTF-8.
func xmlText(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n', r == '\r',
			r >= 0x20 && r <= 0xD7FF, r >= 0xE000 && r <= 0xFFFD, r >= 0x10000 && r <= 0x10FFFF:
			return r
		}
		return -1
	}, strings.ToValidUTF8(s, ""))
}
