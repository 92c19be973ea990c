// Package ui shows a person what the program is doing.
//
// It owns the progress lines on standard error: a live region on a terminal, plain
// lines elsewhere, or one JSON object per line. Results (tables, JSON documents) go to
// standard output and belong to their commands.
package ui
