package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// goneTime is how long an answer of "not gone" stands: many resources ask at once.
const goneTime = 2 * time.Second

// proof asks whether a cluster is gone, and remembers it.
type proof struct {
	ask func(context.Context) (bool, error) // nil proves nothing

	mu   sync.Mutex
	gone bool
	err  error
	at   time.Time
}

// get returns why there is no proof, where there is none.
func (p *proof) get(ctx context.Context) (gone bool, err error) {
	if p == nil || p.ask == nil {
		return false, errors.New(deleteUnreachableHelp)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.gone && time.Since(p.at) > goneTime {
		p.gone, p.err = p.ask(ctx)
		p.at = time.Now()
	}
	return p.gone, p.err
}

// proven is get without the reason.
func (p *proof) proven(ctx context.Context) bool {
	gone, _ := p.get(ctx)
	return gone
}

// proofOf is what deleteUnreachable acts on. Without Options.Gone, or without a
// clusterIdentifier, an embedded provider cannot know whether a cluster that does not
// answer is gone.
func (p *Provider) proofOf(conf config) *proof {
	if !conf.deleteUnreachable || p.opts.Gone == nil || conf.cluster == "" {
		return nil
	}
	return &proof{ask: func(ctx context.Context) (bool, error) {
		gone, err := p.opts.Gone(ctx, conf.cluster)
		switch {
		case err != nil:
			return false, fmt.Errorf("whether it is gone is not known: %w", err)
		case !gone:
			return false, errors.New("its nodes exist, so that its resources stay in the state: start the nodes, or wait for them")
		}
		return true, nil
	}}
}

// noAnswer reports whether err says that the API server did not answer.
func noAnswer(err error) bool {
	var netErr net.Error
	return errors.Is(err, errUnreachable) || refusedConnection(err) || errors.As(err, &netErr)
}
