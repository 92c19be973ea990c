// Package cli is the meshwright command line.
//
// It owns flags, help, tables, exit codes and the way progress is shown. One
// command is one file with one newXCmd; root.go lists them all; exit.go has
// every exit code. What a command does is the business of automation, verify,
// airgap and setup, which print nothing.
//
// Results go to standard output and talk to standard error, so that
// `meshwright up --output json | jq` works while progress is shown.
package cli
