package load

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// WarmUp is how long load is made before a measurement, for connections to exist.
const WarmUp = 2 * time.Second

// Trace is what one generator recorded.
type Trace struct {
	Generator
	Records []Record // by the time at which they were sent
	Retries *int     // by the generator's proxy; nil where it does not count them
	Err     error    // of the run
}

// Drive makes load from all generators at once. The plan's URL and Host are theirs.
func Drive(ctx context.Context, generators []Generator, p Plan) []Trace {
	out := make([]Trace, len(generators))
	var wg sync.WaitGroup
	for i, g := range generators {
		wg.Go(func() {
			t := Trace{Generator: g, Records: make([]Record, 0, p.Scheduled())}
			plan := p
			plan.URL, plan.Host = g.URL, g.Host
			before, known := g.retries(ctx)
			t.Err = g.Source.Run(ctx, plan, func(r Record) { t.Records = append(t.Records, r) })
			if after, still := g.retries(ctx); known && still {
				t.Retries = new(after - before)
			}
			slices.SortFunc(t.Records, func(a, b Record) int { return a.At.Compare(b.At) })
			out[i] = t
		})
	}
	wg.Wait()
	return out
}

// Complete returns an error when the run failed or a record of it is missing.
func (t *Trace) Complete(p Plan) error {
	if n := p.Scheduled(); t.Err == nil && len(t.Records) != n {
		return fmt.Errorf("%d requests scheduled, %d recorded", n, len(t.Records))
	}
	return t.Err
}

// Failure says what became of a request that got no answer.
func (r Record) Failure() string {
	if r.Error != "" {
		return r.Error
	}
	return fmt.Sprintf("status %d", r.Status)
}
