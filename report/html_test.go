package report

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

func TestHTML(t *testing.T) {
	var b bytes.Buffer
	if err := odd().HTML(&b, Options{}); err != nil {
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
	if err := hopeless.HTML(&b, Options{}); err == nil || b.Len() > 0 {
		t.Errorf("data that cannot be rendered: error %v after %d bytes", err, b.Len())
	}
}
