package report

import (
	"slices"
	"strings"
)

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

// Evidence shows what a finding is based on.
type Evidence struct {
	Title   string `json:"title"`
	Cluster string `json:"cluster,omitempty"`
	Kind    string `json:"kind"` // EvidenceObject, EvidenceConfig, EvidenceRequests or EvidenceLog
	Content string `json:"content"`
}

// The kinds of evidence.
const (
	EvidenceObject   = "object"   // a Kubernetes object's status
	EvidenceConfig   = "config"   // an excerpt of a proxy's or istiod's state
	EvidenceRequests = "requests" // the end of a request log
	EvidenceLog      = "log"      // the end of a pod's log
)

// Heading is the title, with the cluster that the evidence is from.
func (e Evidence) Heading() string { return join(e.Cluster, e.Title) }

// join separates the parts that are not empty by colons.
func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ": ")
}
