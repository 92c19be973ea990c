package provider

import (
	"bytes"
	"sync"
)

// LineWriter calls Line with every line that is written to it, without the line's end.
type LineWriter struct {
	Line func(string)

	mu   sync.Mutex
	rest []byte
}

func (w *LineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, p...)
	for {
		line, rest, whole := bytes.Cut(w.rest, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		w.Line(string(line))
		w.rest = rest
	}
}

// Flush passes on what was written after the last end of a line.
func (w *LineWriter) Flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Line(string(w.rest))
	w.rest = nil
}
