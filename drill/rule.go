package drill

import (
	"fmt"
	"slices"
	"strings"

	"github.com/meshwright/meshwright/mesh/topology"
)

// label names a rule: its profile, or the parts that it is made of.
func label(r topology.Rule) string {
	if r.Tuning == nil {
		return r.Profile
	}
	parts := []string{topology.Article}
	for _, t := range tunings {
		if *t.field(r.Tuning) {
			parts = append(parts, t.name)
		}
	}
	return strings.Join(parts, "+")
}

// tunings name the parts of profile zero-loss.
var tunings = []struct {
	name  string
	field func(*topology.Tuning) *bool
}{
	{"max-ejection", func(t *topology.Tuning) *bool { return &t.MaxEjection }},
	{"gateway-errors", func(t *topology.Tuning) *bool { return &t.GatewayErrors }},
	{"retries", func(t *topology.Tuning) *bool { return &t.Retries }},
	{"retry-remote", func(t *topology.Tuning) *bool { return &t.RetryRemote }},
	{"fast-connect", func(t *topology.Tuning) *bool { return &t.FastConnect }},
	{"local-errors", func(t *topology.Tuning) *bool { return &t.LocalErrors }},
	{"last-resort", func(t *topology.Tuning) *bool { return &t.LastResort }},
	{"reuse-connections", func(t *topology.Tuning) *bool { return &t.ReuseConnections }},
}

// TuningNames lists the parts of profile zero-loss.
func TuningNames() []string {
	names := make([]string, len(tunings))
	for i, t := range tunings {
		names[i] = t.name
	}
	return names
}

// ParseTuning builds a tuning from names of parts.
func ParseTuning(names []string) (*topology.Tuning, error) {
	out := &topology.Tuning{}
	for _, name := range names {
		i := slices.Index(TuningNames(), name)
		if i < 0 {
			return nil, fmt.Errorf("no part of the zero-loss profile is called %q; there are %s", name, strings.Join(TuningNames(), ", "))
		}
		*tunings[i].field(out) = true
	}
	return out, nil
}
