package load

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// FromHost sends the load from this machine, without the environment's proxies:
// lab addresses are never behind one. A cancelled run ends at once, and so do
// the requests that are under way.
func FromHost() Source { return host{} }

type host struct{}

// maxBody is what is read of one answer, in bytes.
const maxBody = 64 << 10

func (host) Run(ctx context.Context, p Plan, on func(Record)) error {
	p, err := p.complete()
	if err != nil {
		return err
	}
	transport := &http.Transport{
		Proxy:               nil,
		DialContext:         (&net.Dialer{}).DialContext,
		MaxIdleConnsPerHost: p.Rate, // as many as one second's requests can leave behind
		IdleConnTimeout:     10 * time.Second,
	}
	defer transport.CloseIdleConnections()
	attacker := vegeta.NewAttacker(
		vegeta.Client(&http.Client{
			Transport:     bound{ctx, transport},
			Timeout:       p.Timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}),
		vegeta.MaxBody(maxBody),
	)
	scheduled := p.Scheduled()
	target := vegeta.Target{Method: p.Method, URL: p.URL}
	if p.Host != "" {
		target.Header = http.Header{"Host": {p.Host}} // Vegeta makes it the request's
	}
	results := attacker.Attack(
		vegeta.NewStaticTargeter(target),
		pace{rate: p.Rate, count: uint64(scheduled)}, //nolint:gosec // complete refuses fewer than one
		0, // without an end of its own: the pace stops it
		"")
	for got := 0; ; {
		select {
		case <-ctx.Done():
			attacker.Stop()
			go func() { // a result that nobody takes must not block its sender
				for range results { //nolint:revive // drained
				}
			}()
			return fmt.Errorf("%d of %d requests were made: %w", got, scheduled, context.Cause(ctx))
		case r, open := <-results:
			switch {
			case !open && got < scheduled:
				return fmt.Errorf("only %d of %d requests were made", got, scheduled)
			case !open:
				return nil
			case ctx.Err() != nil:
				continue // this is an end of ours, not the mesh's
			}
			on(newRecord(r.Seq, r.Timestamp, r.Latency, int(r.Code), r.Error, r.Body))
			got++
		}
	}
}

// pace sends count requests at a constant rate. Unlike Vegeta's own it ends by
// count and not by the clock, so that a busy machine sends late but does not
// leave requests out.
type pace struct {
	rate  int // per second
	count uint64
}

// Pace is the wait before the next request, elapsed after the start.
func (p pace) Pace(elapsed time.Duration, sent uint64) (wait time.Duration, stop bool) {
	if sent >= p.count {
		return 0, true
	}
	due := time.Duration(sent) * time.Second / time.Duration(p.rate) //nolint:gosec // bounded by count
	return max(0, due-elapsed), false
}

// Rate is what Vegeta's reports would show.
func (p pace) Rate(time.Duration) float64 { return float64(p.rate) }

// bound ends requests with a context of the run's, which Vegeta does not hand
// down to them.
type bound struct {
	ctx  context.Context //nolint:containedctx // that is what it is for
	base http.RoundTripper
}

func (b bound) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(b.ctx, cancel)
	release := func() {
		stop()
		cancel()
	}
	res, err := b.base.RoundTrip(r.WithContext(ctx))
	if err != nil {
		release()
		return nil, err
	}
	res.Body = &body{res.Body, release}
	return res, nil
}

// body calls release when it is closed.
type body struct {
	io.ReadCloser
	release func()
}

func (b *body) Close() error {
	defer b.release()
	return b.ReadCloser.Close()
}
