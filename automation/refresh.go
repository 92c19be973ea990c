package automation

import (
	"context"
	"errors"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"

	"github.com/meshwright/meshwright/automation/events"
	"github.com/meshwright/meshwright/automation/internal/engine"
	"github.com/meshwright/meshwright/automation/internal/recovery"
)

var opRefresh = operation{name: "refresh", needsLab: true, recovers: forgetPending}

// Refresh reads the real state of every resource of the lab into its stack. The API
// servers of all clusters that exist must answer: a *NotReadyError says which do not.
func (l *Lab) Refresh(ctx context.Context) (*RefreshResult, error) {
	began := time.Now()
	s, err := l.open(ctx, opRefresh)
	if err != nil {
		return nil, err
	}
	gone, err := recovery.GoneNodes(ctx, l.mark(), s.snapshot.Nodes())
	if err == nil {
		err = l.answering(ctx, gone)
	}
	if err != nil {
		return nil, errors.Join(err, s.close(ctx, &events.Collector{}, nil))
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
