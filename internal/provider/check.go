package provider

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// CheckInputs decodes inputs as Decode does and has check look at them. Fields whose
// value is unknown have their zero value.
func CheckInputs(inputs resource.PropertyMap, into any, check func(*Checker)) plugin.CheckResponse {
	unknown, err := Decode(inputs, into)
	if err != nil {
		return plugin.CheckResponse{Failures: []plugin.CheckFailure{{Reason: err.Error()}}}
	}
	c := &Checker{unknown: unknown}
	check(c)
	return plugin.CheckResponse{Properties: inputs, Failures: c.failures}
}

// Checker collects what is wrong with a resource's inputs.
type Checker struct {
	unknown  []string
	failures []plugin.CheckFailure
}

// Fail records a failure of a property.
func (c *Checker) Fail(property, format string, args ...any) {
	c.failures = append(c.failures, plugin.CheckFailure{Property: resource.PropertyKey(property), Reason: fmt.Sprintf(format, args...)})
}

// Need records a failure unless ok, or unless the property's value is not known yet.
func (c *Checker) Need(ok bool, property, format string, args ...any) {
	if !ok && !c.Unknown(property) {
		c.Fail(property, format, args...)
	}
}

// Unknown says whether the value of a property, or a part of it, is not known yet.
func (c *Checker) Unknown(property string) bool { return IsUnknown(c.unknown, property) }

// Failed says whether a failure was recorded.
func (c *Checker) Failed() bool { return len(c.failures) > 0 }

// IsUnknown says whether one of the paths that Decode returns is a property's or leads
// into it.
func IsUnknown(unknown []string, property string) bool {
	return slices.ContainsFunc(unknown, func(path string) bool {
		rest, ok := strings.CutPrefix(path, property)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}
