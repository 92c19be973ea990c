package main

import (
	"strings"

	"github.com/meshwright/meshwright/automation"
)

// commandOf are the commands of the driver's operations that are called otherwise.
var commandOf = map[string]string{
	"prepare":   "env --init",
	"cleanup":   "verify --cleanup",
	"build-kit": "airgap build",
}

// flagOf are the flags of the driver's options that are called otherwise.
var flagOf = map[string]string{"ProjectDir": "project"}

// errorText is an error as a person reads it: its own text, then its remedies as
// commands and flags of this command line. The flags lab choose the lab again.
func errorText(err error, lab string) string {
	text := err.Error()
	var remedies []string
	for _, r := range automation.Remedies(err) {
		remedies = append(remedies, r.Text+": "+remedyLine(r, lab))
	}
	switch {
	case len(remedies) == 0:
		return text
	case strings.Contains(text, "\n"):
		text += "\n"
	default:
		text += "; "
	}
	return text + strings.Join(remedies, "; ")
}

func remedyLine(r automation.Remedy, lab string) string {
	if r.Option != "" {
		return strings.TrimSpace("--" + or(flagOf[r.Option], strings.ToLower(r.Option)) + " " + r.Value)
	}
	line := "meshwright " + or(commandOf[r.Operation], r.Operation)
	if r.Force {
		line += " --force"
	}
	if r.Operation == "build-kit" { // it concerns no lab
		return line
	}
	return line + lab
}
