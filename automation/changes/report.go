package changes

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// Version is the format of Report's JSON.
const Version = 1

// Where a report comes from.
const (
	Computed = "computed" // both programs run against simulated providers
	Live     = "live"     // a preview on the state of what is running
)

// What becomes of a stack, a cluster or a resource.
const (
	Replaced = "replace"
	Removed  = "delete"
	Changed  = "update"
	Added    = "create"
	Same     = "same" // of stacks only: unchanged resources are counted, not listed
)

// Values that stand for others.
const (
	Secret  = "[secret]"  // a value that is not shown
	Unknown = "[unknown]" // a value that is known after the update only
)

// unreadableBase says so of a stack.
const unreadableBase = "Its settings in the base cannot be read: what the stack was before is not known."

// Report is what a change does to every stack (JSON format 1).
type Report struct {
	Version int    `json:"version"`
	Source  string `json:"source"` // Computed or Live
	// Base and Head name what is compared; empty for Live.
	Base string `json:"base,omitempty"`
	Head string `json:"head,omitempty"`
	// Stacks by name, those that stay the same included.
	Stacks []Stack `json:"stacks"`
}

// Stack is what becomes of one stack.
type Stack struct {
	Name string `json:"name"`
	// What is Added when the stack is new, Removed when its settings are gone,
	// Changed, or Same.
	What   string `json:"what"`
	Counts Counts `json:"counts"`
	// BaseUnreadable: what the stack was before is not known, since its settings in the
	// base cannot be read. A stack of the head was compared with nothing.
	BaseUnreadable bool `json:"baseUnreadable,omitempty"`
	// Clusters that change, by name; the lab's own resources, which belong to no
	// cluster, come first under an empty name.
	Clusters []Cluster `json:"clusters,omitempty"`
}

// Counts are numbers of resources, counted as an update counts them.
type Counts struct {
	Replaced int `json:"replaced"`
	Removed  int `json:"removed"`
	Changed  int `json:"changed"`
	Added    int `json:"added"`
	Same     int `json:"same"`
}

// Cluster is what becomes of the resources of one cluster.
type Cluster struct {
	Name string `json:"name"`
	// What becomes of the cluster itself; empty when it stays.
	What      string     `json:"what,omitempty"`
	Resources []Resource `json:"resources"`
}

// Resource is one resource that does not stay as it is.
type Resource struct {
	What string `json:"what"` // Replaced, Removed, Changed or Added
	Type string `json:"type"` // Pulumi type token
	Name string `json:"name"` // within the program
	// Because names the properties that force a replacement. It is empty when
	// the resource goes with another one.
	Because    []string   `json:"because,omitempty"`
	Properties []Property `json:"properties,omitempty"` // by path; of a removed one none
}

// Property is one property that differs. Old or New is absent where the other
// stands alone.
type Property struct {
	Path     string `json:"path"`
	Old      any    `json:"old,omitempty"`
	New      any    `json:"new,omitempty"`
	Replaces bool   `json:"replaces,omitempty"` // it forces the replacement
}

// Changed reports whether anything changes in any stack.
func (r *Report) Changed() bool {
	return slices.ContainsFunc(r.Stacks, func(s Stack) bool { return s.What != Same })
}

// Destructive reports whether anything is replaced or removed, or may be.
func (r *Report) Destructive() bool {
	return r.loses() || slices.ContainsFunc(r.Stacks, func(s Stack) bool { return s.BaseUnreadable })
}

// loses reports whether anything is replaced or removed.
func (r *Report) loses() bool {
	return slices.ContainsFunc(r.Stacks, func(s Stack) bool { return s.Counts.Replaced+s.Counts.Removed > 0 })
}

// Decode reads a report's JSON of at most limit bytes and checks its form. The values
// in it stay untrusted.
func Decode(r io.Reader, limit int64) (*Report, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("report: %w: more than %d bytes", ErrTooLarge, limit)
	}
	var report Report
	if err := json.Unmarshal(data, &report); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	if report.Version != Version {
		return nil, fmt.Errorf("report: format %d, this program reads %d", report.Version, Version)
	}
	if err := report.check(); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	report.Sort()
	return &report, nil
}

// check refuses words that no report has.
func (r *Report) check() error {
	for _, s := range r.Stacks {
		if !slices.Contains([]string{Added, Removed, Changed, Same}, s.What) {
			return fmt.Errorf("a stack is %q", s.What)
		}
		for _, c := range s.Clusters {
			if !slices.Contains([]string{"", Replaced, Removed, Added}, c.What) {
				return fmt.Errorf("a cluster is %q", c.What)
			}
			for _, res := range c.Resources {
				if !slices.Contains(order, res.What) {
					return fmt.Errorf("a resource is %q", res.What)
				}
			}
		}
	}
	return nil
}

// Sort brings the report into its canonical order: what is destructive comes first.
func (r *Report) Sort() {
	slices.SortStableFunc(r.Stacks, func(a, b Stack) int { return cmp.Compare(a.Name, b.Name) })
	for _, s := range r.Stacks {
		slices.SortStableFunc(s.Clusters, func(a, b Cluster) int { return cmp.Compare(a.Name, b.Name) })
		for _, c := range s.Clusters {
			slices.SortStableFunc(c.Resources, func(a, b Resource) int {
				return cmp.Or(
					cmp.Compare(slices.Index(order, a.What), slices.Index(order, b.What)),
					// What has a reason of its own comes before what goes with it.
					cmp.Compare(consequence(a), consequence(b)),
					cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type))
			})
			for _, res := range c.Resources {
				slices.Sort(res.Because)
				slices.SortStableFunc(res.Properties, func(a, b Property) int { return cmp.Compare(a.Path, b.Path) })
			}
		}
	}
}

// order is that of a report.
var order = []string{Replaced, Removed, Changed, Added}

// consequence is 1 for a replacement that merely follows another.
func consequence(r Resource) int {
	if r.What == Replaced && len(r.Because) == 0 {
		return 1
	}
	return 0
}

// of is the number of resources that something becomes of.
func (c Counts) of(what string) int {
	switch what {
	case Replaced:
		return c.Replaced
	case Removed:
		return c.Removed
	case Changed:
		return c.Changed
	case Added:
		return c.Added
	}
	return c.Same
}

// Add counts one resource.
func (c *Counts) Add(what string) {
	switch what {
	case Replaced:
		c.Replaced++
	case Removed:
		c.Removed++
	case Changed:
		c.Changed++
	case Added:
		c.Added++
	default:
		c.Same++
	}
}
