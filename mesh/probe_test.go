package mesh

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/apimachinery/pkg/util/httpstream/spdy"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
)

// kubelet is an API server that forwards ports of the pod "sample/sleep-0" to
// this machine's loopback, as a kubelet does: an error stream and a data
// stream per connection.
type kubelet struct {
	*httptest.Server
	connections atomic.Int32
}

func newKubelet(t *testing.T) *kubelet {
	t.Helper()
	k := &kubelet{}
	k.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/namespaces/sample/pods/sleep-0/portforward" {
			http.NotFound(w, r)
			return
		}
		if _, err := httpstream.Handshake(r, w, []string{portforward.PortForwardProtocolV1Name}); err != nil {
			t.Errorf("handshake: %v", err)
			return
		}
		k.connections.Add(1)
		streams := make(chan httpstream.Stream, 2)
		conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, _ <-chan struct{}) error {
			streams <- s
			return nil
		})
		if conn == nil {
			return
		}
		defer conn.Close() //nolint:errcheck // the end of the test's connection
		k.forward(<-streams, <-streams)
	}))
	t.Cleanup(k.Close)
	return k
}

func (k *kubelet) forward(a, b httpstream.Stream) {
	errs, data := a, b
	if a.Headers().Get(corev1.StreamType) == corev1.StreamTypeData {
		errs, data = b, a
	}
	up, err := net.Dial("tcp", "127.0.0.1:"+data.Headers().Get(corev1.PortHeader))
	if err != nil {
		io.WriteString(errs, "error forwarding port: connection refused") //nolint:errcheck // the client sees it or not
		errs.Close()                                                      //nolint:errcheck // likewise
		time.Sleep(200 * time.Millisecond)                                // as a kubelet, it closes the connection later
		return
	}
	defer up.Close() //nolint:errcheck // likewise
	var wg sync.WaitGroup
	wg.Go(func() {
		io.Copy(up, data)              //nolint:errcheck // the end of either side ends both
		up.(*net.TCPConn).CloseWrite() //nolint:errcheck // likewise
	})
	io.Copy(data, up) //nolint:errcheck // likewise
	data.Close()      //nolint:errcheck // likewise
	errs.Close()      //nolint:errcheck // likewise
	wg.Wait()
}

func (k *kubelet) cluster(t *testing.T) *Client {
	t.Helper()
	c, err := NewClient(&rest.Config{Host: k.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func portOf(t *testing.T, raw string) int {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

var sleeper = Pod{Namespace: "sample", Name: "sleep-0"}

func TestHTTP(t *testing.T) {
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.RequestURI() {
		case "/clusters?format=json":
			io.WriteString(w, strings.Repeat("x", 300_000)) //nolint:errcheck // the client checks the length
		case "/host":
			io.WriteString(w, r.Host) //nolint:errcheck // likewise
		default:
			http.Error(w, "invalid path\nsecond line", http.StatusNotFound)
		}
	}))
	defer admin.Close()
	k := newKubelet(t)
	c, port := k.cluster(t), portOf(t, admin.URL)
	for range 3 {
		body, err := c.HTTP(t.Context(), sleeper, port, "/clusters?format=json")
		if err != nil {
			t.Fatal(err)
		}
		if len(body) != 300_000 {
			t.Fatalf("%d bytes", len(body))
		}
	}
	if n := k.connections.Load(); n != 1 {
		t.Errorf("%d connections for three requests, want one", n)
	}
	if host, err := c.HTTP(t.Context(), sleeper, port, "/host"); err != nil || string(host) != "localhost" {
		t.Errorf("host %q, %v", host, err)
	}
	_, err := c.HTTP(t.Context(), sleeper, port, "/nowhere")
	if err == nil || !strings.Contains(err.Error(), "404 Not Found: invalid path") || strings.Contains(err.Error(), "second line") {
		t.Errorf("error %v", err)
	}
}

func TestHTTPErrors(t *testing.T) {
	idle, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close() //nolint:errcheck // the end of the test
	silent := idle.Addr().(*net.TCPAddr).Port
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	shut := closed.Addr().(*net.TCPAddr).Port
	closed.Close() //nolint:errcheck // its port is what is wanted
	cases := map[string]struct {
		pod  Pod
		port int
		want string
	}{
		"nothing listens": {sleeper, shut, "connection refused"},
		"no such pod":     {Pod{"sample", "gone"}, shut, "gone"},
		"silence":         {sleeper, silent, context.DeadlineExceeded.Error()},
	}
	k := newKubelet(t)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, err := k.cluster(t).HTTP(ctx, c.pod, c.port, "/")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestCertificates(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // our handshake ends early on purpose
	server.StartTLS()
	defer server.Close()
	k := newKubelet(t)
	chain, err := k.cluster(t).Certificates(t.Context(), sleeper, portOf(t, server.URL))
	if err != nil {
		t.Fatal(err)
	}
	if len(chain) == 0 || !chain[0].Equal(server.Certificate()) {
		t.Errorf("chain of %d certificates, not the server's", len(chain))
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	_, err = k.cluster(t).Certificates(t.Context(), sleeper, portOf(t, plain.URL))
	var record tls.RecordHeaderError
	if !errors.As(err, &record) {
		t.Errorf("a server without TLS: error %v", err)
	}
}

func TestDeadline(t *testing.T) {
	idle, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close() //nolint:errcheck // the end of the test
	conn, err := newKubelet(t).cluster(t).Dial(t.Context(), sleeper, idle.Addr().(*net.TCPAddr).Port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the end of the test
	if err := conn.SetDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	var timeout net.Error
	if _, err := conn.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("error %v, want a timeout", err)
	}
}

func TestHost(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "/hello", http.StatusFound)
			return
		}
		io.WriteString(w, "hello") //nolint:errcheck // the client checks
	}))
	defer server.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close() //nolint:errcheck // the end of the test
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close() //nolint:errcheck // its address is what is wanted
	type outcome struct {
		Status     int
		Body       string
		Unroutable bool
		Failed     bool
	}
	cases := map[string]struct {
		url  string
		want outcome
	}{
		"answer":             {server.URL + "/hello", outcome{200, "hello", false, false}},
		"redirect":           {server.URL + "/away", outcome{302, "<a href=\"/hello\">Found</a>.\n\n", false, false}},
		"a refusal":          {"http://" + closed.Addr().String(), outcome{0, "", false, true}},
		"silence, no answer": {"http://" + silent.Addr().String(), outcome{0, "", true, true}},
	}
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1") // must not matter
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			status, body, err := Host{}.Get(t.Context(), c.url, 300*time.Millisecond)
			got := outcome{status, body, errors.Is(err, ErrUnroutable), err != nil}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("outcome (-want +got):\n%s\n%v", diff, err)
			}
		})
	}
	if err := (Host{}).Dial(t.Context(), silent.Addr().String(), time.Second); err != nil {
		t.Errorf("dial a listener: %v", err)
	}
	if err := (Host{}).Dial(t.Context(), closed.Addr().String(), time.Second); err == nil || errors.Is(err, ErrUnroutable) {
		t.Errorf("dial a closed port: %v, want a refusal", err)
	}
}
