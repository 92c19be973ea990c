package automation

import (
	"context"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"

	"github.com/meshwright/meshwright/automation/changes"
	"github.com/meshwright/meshwright/automation/events"
	"github.com/meshwright/meshwright/automation/internal/engine"
	"github.com/meshwright/meshwright/automation/internal/steps"
)

var opPreview = operation{name: "preview", runsProgram: true, readOnly: true}

// PreviewResult says what an Up would do.
type PreviewResult struct {
	Lab      string         `json:"lab"`
	Changes  []Change       `json:"changes"` // in the engine's order; unchanged resources left out
	Counts   map[string]int `json:"counts"`  // resources by op, "same" included
	Duration time.Duration  `json:"duration"`
	// Dropped are settings that the lab was brought up with overridden and that this
	// preview does not override: an Up goes back to what the stack's settings say.
	Dropped []string `json:"dropped,omitempty"`
	// Report has the changes with the properties that differ, without secrets, for the
	// renderers of package changes.
	Report *changes.Report `json:"-"`
}

// Changed reports whether an Up would do anything.
func (r *PreviewResult) Changed() bool { return len(r.Changes) > 0 }

// Preview returns what Up would do and changes nothing. It refuses what Up would
// refuse. For a lab that does not exist it needs no Docker and leaves nothing behind.
func (l *Lab) Preview(ctx context.Context) (*PreviewResult, error) {
	began := time.Now()
	s, err := l.open(ctx, opPreview)
	if err != nil {
		return nil, err
	}
	c, err := s.preview(ctx)
	if err := s.close(ctx, c, err); err != nil {
		return nil, err
	}
	stack := steps.Describe(l.o.Name, c.Steps, s.secrets)
	if s.fresh {
		stack.What = changes.Added
	}
	report := &changes.Report{Version: changes.Version, Source: changes.Live, Stacks: []changes.Stack{stack}}
	report.Sort()
	return &PreviewResult{Lab: l.o.Name, Changes: c.Changes, Counts: c.Counts, Duration: time.Since(began), Dropped: s.dropped(), Report: report}, nil
}

func (s *session) preview(ctx context.Context) (*events.Collector, error) {
	c := events.Collect(opPreview.name, s.lab.o.Events)
	_, err := s.stack.Preview(ctx, optpreview.EventStreams(c.In), optpreview.SuppressOutputs(), optpreview.Color("never"), optpreview.Parallel(engine.Parallel))
	c.Close()
	return c, err
}
