package engine

import "strings"

// Readable keeps of the Automation API's error what a person can use: not the whole
// of the command's output but its last complaint.
func Readable(err error) error {
	text, output, ok := strings.Cut(err.Error(), "\ncode: ")
	if !ok {
		return err
	}
	if _, complaint, _ := strings.Cut(output, "\nstderr: "); strings.TrimSpace(complaint) != "" {
		text = strings.TrimPrefix(strings.TrimSpace(complaint), "error: ")
	}
	return Reworded(err, text)
}

// Reworded is err with another text.
func Reworded(err error, text string) error { return &reworded{text, err} }

type reworded struct {
	text string
	err  error
}

func (e *reworded) Error() string { return e.text }
func (e *reworded) Unwrap() error { return e.err }
