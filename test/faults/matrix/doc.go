// Package matrix declares which check notices which fault, for which reason, and that
// the others stay green; and plays that on a live mesh. Every fault of package fault is
// declared here or is injected by a drill.
package matrix
