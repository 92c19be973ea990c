package provider

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// Factory makes one provider. It is called for every accepted connection,
// since one program may configure a package several times and a provider holds
// one configuration.
type Factory func() plugin.Provider

// closeGrace is how long Close waits for operations to end after it cancelled
// them. A cancelled cluster creation removes what it made within this time.
const closeGrace = 20 * time.Second

// Option changes how providers are served.
type Option func(*Attachment)

// WithLogger logs stacks of panics and refused peers. Without it they are dropped.
func WithLogger(log *slog.Logger) Option { return func(a *Attachment) { a.log = log } }

// Attachment is a set of providers that this process serves.
type Attachment struct {
	log       *slog.Logger
	cancelled context.Context // done once running operations have to end
	cancel    context.CancelFunc
	listeners map[string]net.Listener
	wg        sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	sessions map[*session]struct{}
}

// Attach serves every provider of twins, keyed by package name, on a loopback
// port of its own. When ctx ends, running operations are cancelled as by the
// engine; the listeners stay until Close, so that the engine can still record
// how the operations ended.
func Attach(ctx context.Context, twins map[string]Factory, opts ...Option) (*Attachment, error) {
	a := &Attachment{
		log:       slog.New(slog.DiscardHandler),
		listeners: map[string]net.Listener{},
		sessions:  map[*session]struct{}{},
	}
	for _, o := range opts {
		o(a)
	}
	a.cancelled, a.cancel = context.WithCancel(ctx)
	for _, name := range slices.Sorted(maps.Keys(twins)) {
		// The engine dials 127.0.0.1 and nothing else.
		lis, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, errors.Join(fmt.Errorf("serve provider %s: %w", name, err), a.Close())
		}
		a.listeners[name] = lis
		a.wg.Go(func() { a.accept(name, lis, twins[name]) })
	}
	return a, nil
}

// Env returns the value for PULUMI_DEBUG_PROVIDERS: "name:port" by comma, sorted.
func (a *Attachment) Env() string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(a.listeners)) {
		pairs = append(pairs, fmt.Sprintf("%s:%d", name, a.Port(name)))
	}
	return strings.Join(pairs, ",")
}

// Port returns the TCP port of the named provider, 0 when there is none.
func (a *Attachment) Port(name string) int {
	lis, ok := a.listeners[name]
	if !ok {
		return 0
	}
	return lis.Addr().(*net.TCPAddr).Port
}

// Close stops listening, cancels what still runs, waits a bounded time for it
// to end and closes every connection. It may be called more than once.
func (a *Attachment) Close() error {
	a.mu.Lock()
	already := a.closed
	a.closed = true
	open := slices.Collect(maps.Keys(a.sessions))
	a.mu.Unlock()

	var errs []error
	for name, lis := range a.listeners {
		if err := lis.Close(); err != nil && !already {
			errs = append(errs, fmt.Errorf("close the listener of provider %s: %w", name, err))
		}
	}
	a.cancel()
	for _, s := range open {
		_ = s.Close()
	}
	done := make(chan struct{})
	go func() { a.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(closeGrace):
		errs = append(errs, fmt.Errorf("providers still busy %s after they were cancelled", closeGrace))
	}
	return errors.Join(errs...)
}

func (a *Attachment) accept(name string, lis net.Listener, factory Factory) {
	for {
		conn, err := lis.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // such as too many open files: the engine will try again
			a.log.Error("accept a connection", "provider", name, "err", err)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if err := checkPeer(conn); err != nil {
			a.log.Warn("refused a connection", "provider", name, "err", err)
			_ = conn.Close()
			continue
		}
		a.wg.Go(func() { a.serve(name, conn, factory) })
	}
}

// serve serves one connection with one provider until either end closes it,
// then cancels the provider's operations and waits for them.
func (a *Attachment) serve(name string, conn net.Conn, factory Factory) {
	s := newSession(conn)
	defer s.Close()
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		return
	}
	a.sessions[s] = struct{}{}
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		delete(a.sessions, s)
		a.mu.Unlock()
	}()

	var p plugin.Provider
	if err := a.guard(name, "New", func() { p = factory() }); err != nil {
		return
	}
	signal := sync.OnceFunc(func() {
		_ = a.guard(name, "SignalCancellation", func() {
			_ = p.SignalCancellation(context.WithoutCancel(a.cancelled))
		})
	})
	stop := context.AfterFunc(a.cancelled, signal)
	defer stop()

	srv := newGRPC(name, p, a.log)
	_ = srv.Serve(s) // returns once the connection is closed
	signal()
	srv.Stop() // waits for the handlers
	_ = a.guard(name, "Close", func() { _ = p.Close() })
}

// guard runs f and turns a panic into an error, logged.
func (a *Attachment) guard(name, method string, f func()) (err error) {
	defer func() { err = recovered(recover(), err, name, method, a.log) }()
	f()
	return nil
}

// session is one accepted connection, and the listener that yields it once to a gRPC
// server of its own. Both close together.
type session struct {
	net.Conn
	next  chan net.Conn
	close func() error
}

func newSession(conn net.Conn) *session {
	s := &session{Conn: conn, next: make(chan net.Conn, 1)}
	s.next <- s
	s.close = sync.OnceValue(func() error {
		close(s.next)
		return conn.Close()
	})
	return s
}

func (s *session) Accept() (net.Conn, error) {
	if conn, ok := <-s.next; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (s *session) Close() error   { return s.close() }
func (s *session) Addr() net.Addr { return s.LocalAddr() }
