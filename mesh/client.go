package mesh

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Pod names a pod.
type Pod struct {
	Namespace, Name string
}

func (p Pod) String() string { return p.Namespace + "/" + p.Name }

// Ref returns the name of a pod object.
func Ref(p *corev1.Pod) Pod { return Pod{Namespace: p.Namespace, Name: p.Name} }

// Client reads one cluster and runs commands in its pods. It is safe for concurrent use; Close it when done.
type Client struct {
	Client kubernetes.Interface
	config *rest.Config

	http  *http.Client
	trans *http.Transport
}

// maxBody bounds what is read of one answer: a full Envoy configuration dump
// of a large mesh is tens of megabytes.
const maxBody = 64 << 20

// NewClient returns a Client that uses config. The client's own rate limit is
// lifted: a verification makes few requests, but all at once.
func NewClient(config *rest.Config) (*Client, error) {
	c := rest.CopyConfig(config)
	c.QPS, c.Burst = -1, 0
	if c.UserAgent == "" {
		c.UserAgent = "meshwright"
	}
	c.WarningHandler = rest.NoWarnings{} // about API versions, which the reader of a report cannot change
	client, err := kubernetes.NewForConfig(c)
	if err != nil {
		return nil, fmt.Errorf("kubernetes client for %s: %w", c.Host, err)
	}
	out := &Client{Client: client, config: c}
	out.trans = &http.Transport{
		DialContext:         out.dialTransport,
		MaxIdleConnsPerHost: 2,
		IdleConnTimeout:     30 * time.Second,
		DisableCompression:  true, // loopback streams: compression costs more than it saves
	}
	out.http = &http.Client{Transport: out.trans}
	return out, nil
}

// Close drops the connections kept for later requests.
func (c *Client) Close() { c.trans.CloseIdleConnections() }

// Logs returns the last lines of a container's log.
func (c *Client) Logs(ctx context.Context, pod Pod, container string, lines int64) ([]byte, error) {
	stream, err := c.Client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{
		Container: container, TailLines: &lines,
	}).Stream(ctx)
	if err != nil {
		return nil, err
	}
	defer stream.Close() //nolint:errcheck // read side
	return io.ReadAll(io.LimitReader(stream, maxBody))
}

// HTTP gets a path from a port on the pod's loopback and returns the body.
// Any status but 200 is an error that carries the body's beginning.
func (c *Client) HTTP(ctx context.Context, pod Pod, port int, path string) ([]byte, error) {
	url := fmt.Sprintf("http://%s%s", hostOf(pod, port), path)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	// Envoy answers an unknown Host on its admin port too, but istiod's debug
	// handlers look at the caller's address only.
	req.Host = "localhost"
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("pod %s port %d: %w", pod, port, err)
	}
	defer res.Body.Close() //nolint:errcheck // read side
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("pod %s port %d %s: %w", pod, port, path, err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("pod %s port %d %s: status %s: %s", pod, port, path, res.Status, firstLine(body))
	}
	return body, nil
}

func firstLine(b []byte) string {
	b = bytes.TrimSpace(b)
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		b = b[:i]
	}
	if len(b) > 200 {
		b = b[:200]
	}
	return string(b)
}
