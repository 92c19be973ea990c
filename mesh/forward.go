package mesh

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
)

// hostOf encodes a pod and port as an authority, so that an http.Transport
// keeps one pool of connections per pod and port.
func hostOf(pod Pod, port int) string {
	return net.JoinHostPort(pod.Name+"."+pod.Namespace+".pod", strconv.Itoa(port))
}

func (c *Client) dialTransport(ctx context.Context, _, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	// Names of pods may hold dots, names of namespaces may not.
	host = strings.TrimSuffix(host, ".pod")
	i := strings.LastIndexByte(host, '.')
	n, err := strconv.Atoi(port)
	if err != nil || i < 0 {
		return nil, fmt.Errorf("not a pod's address: %q", addr)
	}
	return c.Dial(ctx, Pod{Namespace: host[i+1:], Name: host[:i]}, n)
}

// Dial opens a connection to a port on the pod's loopback through the API
// server's port-forward, without a listener on this machine.
//
// The protocol is that of k8s.io/client-go/tools/portforward: per connection
// an error stream, on which the kubelet reports that nothing listens, and a
// data stream.
func (c *Client) Dial(ctx context.Context, pod Pod, port int) (net.Conn, error) {
	req := c.Client.CoreV1().RESTClient().Post().
		Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("portforward")
	transport, upgrader, err := spdy.RoundTripperFor(c.config)
	if err != nil {
		return nil, err
	}
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, req.URL())

	type dialed struct {
		conn httpstream.Connection
		err  error
	}
	done := make(chan dialed, 1)
	go func() {
		conn, _, err := dialer.Dial(portforward.PortForwardProtocolV1Name)
		done <- dialed{conn, err}
	}()
	var conn httpstream.Connection
	select {
	case d := <-done:
		if d.err != nil {
			return nil, fmt.Errorf("port-forward to pod %s: %w", pod, d.err)
		}
		conn = d.conn
	case <-ctx.Done():
		go func() { // the dial cannot be cancelled: close what it still opens
			if d := <-done; d.err == nil {
				d.conn.Close() //nolint:errcheck // nobody is left to tell
			}
		}()
		return nil, context.Cause(ctx)
	}
	out, err := openStreams(conn, port)
	if err != nil {
		conn.Close() //nolint:errcheck // the first error is the one to report
		return nil, fmt.Errorf("port-forward to pod %s: %w", pod, err)
	}
	return out, nil
}

func openStreams(conn httpstream.Connection, port int) (*forwarded, error) {
	headers := http.Header{}
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	headers.Set(corev1.PortHeader, strconv.Itoa(port))
	headers.Set(corev1.PortForwardRequestIDHeader, "0")
	errs, err := conn.CreateStream(headers)
	if err != nil {
		return nil, err
	}
	errs.Close() //nolint:errcheck // closes only our sending side
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := conn.CreateStream(headers)
	if err != nil {
		return nil, err
	}
	f := &forwarded{conn: conn, data: data, refused: make(chan struct{})}
	go func() {
		message, err := io.ReadAll(errs)
		if err == nil && len(message) > 0 {
			f.reason = errors.New(strings.TrimSpace(string(message)))
			close(f.refused)
			conn.Close() //nolint:errcheck // wakes the reader
		}
	}()
	return f, nil
}

// forwarded is a net.Conn over one pair of port-forward streams. A SPDY
// stream has no deadlines, so they close the connection instead; that is
// enough for the one-shot requests made here.
type forwarded struct {
	conn    httpstream.Connection
	data    httpstream.Stream
	refused chan struct{}
	reason  error // set before refused is closed

	mu    sync.Mutex
	timer *time.Timer
	late  bool
}

func (f *forwarded) Read(p []byte) (int, error) {
	n, err := f.data.Read(p)
	return n, f.explain(err)
}

func (f *forwarded) Write(p []byte) (int, error) {
	n, err := f.data.Write(p)
	return n, f.explain(err)
}

func (f *forwarded) explain(err error) error {
	if err == nil {
		return nil
	}
	f.mu.Lock()
	late := f.late
	f.mu.Unlock()
	if late {
		return os.ErrDeadlineExceeded
	}
	// The kubelet's message races with the end of the data stream.
	select {
	case <-f.refused:
		return f.reason
	case <-time.After(50 * time.Millisecond):
		return err
	}
}

func (f *forwarded) Close() error {
	f.SetDeadline(time.Time{}) //nolint:errcheck // never fails
	return f.conn.Close()
}

func (f *forwarded) SetDeadline(t time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.timer != nil {
		f.timer.Stop()
		f.timer = nil
	}
	if !t.IsZero() {
		f.timer = time.AfterFunc(time.Until(t), func() {
			f.mu.Lock()
			f.late = true
			f.mu.Unlock()
			f.conn.Close() //nolint:errcheck // the reader reports
		})
	}
	return nil
}

func (f *forwarded) SetReadDeadline(t time.Time) error  { return f.SetDeadline(t) }
func (f *forwarded) SetWriteDeadline(t time.Time) error { return f.SetDeadline(t) }
func (f *forwarded) LocalAddr() net.Addr                { return streamAddr{} }
func (f *forwarded) RemoteAddr() net.Addr               { return streamAddr{} }

type streamAddr struct{}

func (streamAddr) Network() string { return "portforward" }
func (streamAddr) String() string  { return "portforward" }

// Certificates makes a TLS handshake with a port on the pod's loopback and
// returns the chain that the server presents, leaf first. The chain is not
// verified: that is the caller's business.
func (c *Client) Certificates(ctx context.Context, pod Pod, port int) ([]*x509.Certificate, error) {
	conn, err := c.Dial(ctx, pod, port)
	if err != nil {
		return nil, err
	}
	defer conn.Close() //nolint:errcheck // the handshake is all we want
	if d, ok := ctx.Deadline(); ok {
		conn.SetDeadline(d) //nolint:errcheck // never fails
	}
	var chain []*x509.Certificate
	seen := errors.New("chain seen")
	client := tls.Client(conn, &tls.Config{
		InsecureSkipVerify: true, //nolint:gosec // the chain is handed to the caller to be verified
		NextProtos:         []string{"h2", "http/1.1"},
		VerifyConnection: func(s tls.ConnectionState) error {
			chain = s.PeerCertificates
			return seen
		},
	})
	if err := client.HandshakeContext(ctx); err != nil && !errors.Is(err, seen) {
		return nil, fmt.Errorf("tls to pod %s port %d: %w", pod, port, err)
	}
	return chain, nil
}
