package main

import (
	"log/slog"

	"k8s.io/klog/v2"
)

// quietLibraries sends what the Kubernetes libraries would print on standard
// error to the diagnostics: a dropped stream after Ctrl-C is no news to anyone.
func quietLibraries(log *slog.Logger) { klog.SetSlogLogger(log) }
