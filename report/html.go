package report

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed report.html.tmpl
var pageText string

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"seconds": func(s float64) string { return fmt.Sprintf("%.1f s", s) },
	"data":    dataText,
}).Parse(pageText))

// HTML writes the report as a page that is whole in itself: it loads nothing,
// runs nothing, and can be attached to a message or kept beside a build.
func (r *Report) HTML(w io.Writer, o Options) error {
	var b bytes.Buffer // so that a failure leaves no half of a page
	if err := page.Execute(&b, struct {
		*Report
		RemedyOf func(Result) string
	}{r, o.remedy}); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// dataText renders what a check measured; "" for nothing.
func dataText(v any) (string, error) {
	if v == nil {
		return "", nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // the template escapes, and for where it stands
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return strings.TrimSpace(b.String()), err
}
