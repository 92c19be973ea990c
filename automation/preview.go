package automation

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"github.com/meshwright/meshwright/automation/changes"
)

// Change is what an operation would do to one resource.
type Change struct {
	URN     string   `json:"urn"`
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Op      string   `json:"op"`                // create, update, replace, delete
	Diff    []string `json:"diff,omitempty"`    // property paths that differ, sorted
	Replace []string `json:"replace,omitempty"` // those of them that force a replacement
}

// PreviewResult says what an Up would do.
type PreviewResult struct {
	Lab      string         `json:"lab"`
	Changes  []Change       `json:"changes"` // in the engine's order; unchanged resources left out
	Counts   map[string]int `json:"counts"`  // resources by op, "same" included
	Duration time.Duration  `json:"duration"`
	// Report is the same in full, with the properties that differ and without
	// secrets, for changes' renderers.
	Report *changes.Report `json:"-"`
}

// Changed reports whether an Up would do anything.
func (r *PreviewResult) Changed() bool { return len(r.Changes) > 0 }

// Preview says what Up would do, and does none of it; what Up would refuse it
// refuses. A lab that does not exist needs no Docker for it, and leaves nothing
// behind.
func (l *Lab) Preview(ctx context.Context) (*PreviewResult, error) {
	began := time.Now()
	s, err := l.open(ctx, "preview")
	if err != nil {
		return nil, err
	}
	c, err := s.preview(ctx)
	if err := s.close(ctx, c, err); err != nil {
		return nil, err
	}
	stack := describe(l.o.Name, c.steps, s.secrets)
	if s.fresh {
		stack.What = changes.Added
	}
	report := &changes.Report{Version: changes.Version, Source: changes.Live, Stacks: []changes.Stack{stack}}
	report.Sort()
	return &PreviewResult{Lab: l.o.Name, Changes: c.changes, Counts: c.counts, Duration: time.Since(began), Report: report}, nil
}

func (s *session) preview(ctx context.Context) (*collector, error) {
	c := collect("preview", s.lab.o.Events)
	_, err := s.stack.Preview(ctx, optpreview.EventStreams(c.in), optpreview.SuppressOutputs(), optpreview.Color("never"), optpreview.Parallel(parallel))
	c.close()
	return c, err
}

// change records a planned step. Of the three steps of a replacement the
// logical one stands for all.
func (c *collector) change(m apitype.StepEventMetadata) {
	switch m.Op {
	case apitype.OpSame, apitype.OpRead, apitype.OpRefresh, apitype.OpCreateReplacement, apitype.OpDeleteReplaced, apitype.OpDiscardReplaced, apitype.OpReadReplacement:
		return
	}
	ch := Change{URN: m.URN, Type: m.Type, Op: string(m.Op), Diff: slices.Sorted(maps.Keys(m.DetailedDiff))}
	_, ch.Name = typeAndName(m.URN)
	if len(ch.Diff) == 0 {
		ch.Diff = m.Diffs
	}
	for path, d := range m.DetailedDiff {
		switch d.Kind {
		case apitype.DiffAddReplace, apitype.DiffDeleteReplace, apitype.DiffUpdateReplace:
			ch.Replace = append(ch.Replace, path)
		}
	}
	slices.Sort(ch.Replace)
	c.changes = append(c.changes, ch)
}
