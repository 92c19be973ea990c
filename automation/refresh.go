package automation

import (
	"context"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"

	"github.com/meshwright/meshwright/automation/internal/engine"
)

var opRefresh = operation{name: "refresh", needsLab: true, recovers: forgetPending}

// Refresh reads the real state of every resource of the lab into its stack.
func (l *Lab) Refresh(ctx context.Context) (*RefreshResult, error) {
	began := time.Now()
	s, err := l.open(ctx, opRefresh)
	if err != nil {
		return nil, err
	}
	c := s.collect()
	_, err = s.stack.Refresh(ctx, optrefresh.EventStreams(c.In), optrefresh.SuppressOutputs(), optrefresh.Color("never"), optrefresh.Parallel(engine.Parallel))
	c.Close()
	if err := s.close(ctx, c, err); err != nil {
		return nil, err
	}
	return &RefreshResult{Counts: c.Counts, Duration: time.Since(began)}, nil
}

// RefreshResult says what a Refresh found.
type RefreshResult struct {
	Counts   map[string]int // resources by op: same, update, delete
	Duration time.Duration
}
