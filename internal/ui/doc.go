// Package ui tells a person what the program is doing.
//
// It owns the progress lines on standard error: a live region on a terminal,
// plain lines elsewhere, one JSON object per line when asked. Results (tables,
// JSON documents) are not its business: they go to standard output and belong
// to the command that makes them.
package ui
