// Package report holds what a verification found, as data, and renders it as a
// table, JSON, JUnit XML and HTML. Its subpackage timeline draws SVG.
//
// It knows neither the checks nor the clusters: what a result holds is decided by
// the checks, and commands that apply a remedy are worded by the caller.
package report
