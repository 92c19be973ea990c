package main

import (
	"log/slog"

	"k8s.io/klog/v2"
)

// quietLibraries sends what the Kubernetes libraries would print on standard
// error to the diagnostics, such as a stream that Ctrl-C has closed.
func quietLibraries(log *slog.Logger) { klog.SetSlogLogger(log) }
