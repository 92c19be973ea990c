package mesh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

// Host reaches addresses from this machine.
type Host struct{}

// ErrUnroutable says that this machine may have no way to an address: nothing
// came back at all. On a machine whose containers live in a virtual machine
// the same address can answer from inside the cluster.
var ErrUnroutable = errors.New("no route from this machine")

// Dial opens and closes a TCP connection to addr within timeout. A refusal is
// an answer of the other side; silence is ErrUnroutable.
func (Host) Dial(ctx context.Context, addr string, timeout time.Duration) error {
	d := net.Dialer{Timeout: timeout}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err == nil {
		return conn.Close()
	}
	return silence(err)
}

func silence(err error) error {
	var ne net.Error
	switch {
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH),
		errors.As(err, &ne) && ne.Timeout():
		return fmt.Errorf("%w: %w", ErrUnroutable, err)
	}
	return err
}

// Get fetches a URL within timeout, without following redirects and without
// the environment's proxies: lab addresses are never behind one.
func (Host) Get(ctx context.Context, url string, timeout time.Duration) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	res, err := direct.Do(req)
	if err != nil {
		return 0, "", silence(err)
	}
	defer res.Body.Close() //nolint:errcheck // read side
	text, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	return res.StatusCode, string(text), err
}

var direct = &http.Client{
	Transport: &http.Transport{
		Proxy:               nil,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     10 * time.Second,
	},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}
