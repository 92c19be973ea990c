package report

import (
	"encoding/json"
	"io"
)

// Options choose how a report is shown.
type Options struct {
	// Color colours the table.
	Color bool
	// Remedy words a remedy, with the command that applies its operation; nil for
	// Remedy.String.
	Remedy func(Remedy) string
}

// remedy is what to do about a result; "" for nothing.
func (o Options) remedy(c Result) string {
	switch {
	case c.Remedy == (Remedy{}):
		return ""
	case o.Remedy == nil:
		return c.Remedy.String()
	}
	return o.Remedy(c.Remedy)
}

// JSON writes a document, indented.
func JSON(w io.Writer, document any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(document)
}
