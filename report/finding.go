package report

import (
	"slices"
	"strconv"
	"strings"
)

// Reason is a machine-readable cause. Reasons are part of the format: a name
// never gets another meaning.
type Reason string

// Finding is one thing that is wrong.
type Finding struct {
	Reason  Reason `json:"reason"`
	Cluster string `json:"cluster,omitempty"`
	Object  string `json:"object,omitempty"` // "deployment istio-system/istiod"
	Message string `json:"message"`
	Warning bool   `json:"warning,omitempty"` // worth a look, but not a failure
}

// Where is the place of a finding, as "cluster1: pod sample/sleep-0"; "" when it
// has none.
func (f Finding) Where() string { return join(f.Cluster, f.Object) }

// String is the finding on one line: its place and its message.
func (f Finding) String() string { return join(f.Where(), f.Message) }

// join separates the parts that are not empty by colons.
func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ": ")
}

// Count renders a number of things, as "1 cluster" or "2 clusters".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// Clip cuts text to n bytes, at a rune, and marks the cut.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "..."
}
