// Command gendoc writes the reference part of docs/checks.md from the data of the
// checks. Run it in the root of the repository.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/meshwright/meshwright/report"
	"github.com/meshwright/meshwright/verify"
)

// The reference is between these two lines of the document.
const (
	begin = "<!-- reference: written by go run ./verify/gendoc -->\n"
	end   = "<!-- end of the reference -->\n"
)

func main() {
	const path = "docs/checks.md"
	text, err := os.ReadFile(path)
	if err == nil {
		var out string
		if out, err = replaced(string(text)); err == nil {
			err = os.WriteFile(path, []byte(out), 0o644) //nolint:gosec // documentation
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// replaced is the document with the present reference.
func replaced(text string) (string, error) {
	before, rest, ok := strings.Cut(text, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return "", errors.New("the document lacks the marks of the reference")
	}
	return before + begin + reference() + end + after, nil
}

func reference() string {
	var b strings.Builder
	b.WriteString("\n### Every check\n\n")
	table(&b, verify.CommonReasons())
	seen := map[verify.Cause]bool{}
	for _, c := range verify.Checks() {
		fmt.Fprintf(&b, "\n### `%s`: %s\n\nProves that %s.\n\n", c.ID, c.Title, c.Proves)
		needs := []string{}
		for _, need := range c.Needs {
			needs = append(needs, "`"+string(need)+"`")
		}
		tried := "Tried for"
		if c.Timed {
			tried = "Runs once, within"
		}
		fmt.Fprintf(&b, "- Needs: %s\n- %s: %s\n", or(strings.Join(needs, ", "), "nothing"), tried, strings.Replace(c.Deadline.String(), "m0s", "m", 1))
		var names []string
		var fresh []verify.Cause
		for _, r := range c.Reasons {
			names = append(names, "`"+string(r.Reason)+"`")
			if !seen[r] {
				fresh = append(fresh, r)
			}
			seen[r] = true
		}
		fmt.Fprintf(&b, "- Reasons, causes first: %s", strings.Join(names, ", "))
		if len(fresh) < len(c.Reasons) {
			b.WriteString("; those that are not in the table are reasons of a check above")
		}
		b.WriteString("\n\n")
		table(&b, fresh)
	}
	b.WriteString("\n### Capabilities\n\nA check that needs a missing capability is skipped.\n\n| capability | reason | meaning | remedy |\n|---|---|---|---|\n")
	for _, need := range []verify.Capability{verify.CapabilityWorkload, verify.CapabilityDeployer, verify.CapabilityRegions} {
		c := need.Missing()
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", need, c.Reason, c.Meaning, remedy(c.Remedy))
	}
	b.WriteString("\n")
	return b.String()
}

func table(b *strings.Builder, causes []verify.Cause) {
	b.WriteString("| reason | meaning | remedy |\n|---|---|---|\n")
	for _, c := range causes {
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", c.Reason, c.Meaning, remedy(c.Remedy))
	}
}

func remedy(r report.Remedy) string {
	if r.Operation == "" {
		return r.String()
	}
	return fmt.Sprintf("%s; operation `%s`", r, r.Operation)
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
