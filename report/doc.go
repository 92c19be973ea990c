// Package report is what a verification or a drill found.
package report
