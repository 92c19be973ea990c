package main

import (
	"strings"

	"github.com/meshwright/meshwright/report"
)

// operations are the commands of the operations that remedies name.
var operations = map[report.Operation]string{
	report.OperationUp:       "meshwright up",
	report.OperationRefresh:  "meshwright up --refresh",
	report.OperationPreview:  "meshwright preview",
	report.OperationPrepare:  "meshwright env --init",
	report.OperationDestroy:  "meshwright destroy",
	report.OperationForce:    "meshwright destroy --force",
	report.OperationStatus:   "meshwright status",
	report.OperationCollect:  "meshwright collect",
	report.OperationCleanup:  "meshwright verify --cleanup",
	report.OperationBuildKit: "meshwright airgap build",
	report.OperationSetup:    "meshwright setup",
}

// remedies returns the function that words a remedy for the lab that flags choose.
func remedies(flags string) func(report.Remedy) string {
	return func(r report.Remedy) string {
		if r.Option != "" {
			flag := strings.ToLower(r.Option)
			if r.Option == "ProjectDir" {
				flag = "project"
			}
			return r.With(strings.TrimSpace("--" + flag + " " + r.Value))
		}
		line := operations[r.Operation]
		if line != "" && r.Operation != report.OperationBuildKit && r.Operation != report.OperationSetup {
			line += flags
		}
		return r.With(line)
	}
}

// errorText is an error as a person reads it: its own text, then its remedies for the
// lab that flags choose.
func errorText(err error, flags string) string {
	text := err.Error()
	var parts []string
	for _, r := range report.Remedies(err) {
		parts = append(parts, remedies(flags)(r))
	}
	switch {
	case len(parts) == 0:
		return text
	case strings.Contains(text, "\n"):
		text += "\n"
	default:
		text += "; "
	}
	return text + strings.Join(parts, "; ")
}
