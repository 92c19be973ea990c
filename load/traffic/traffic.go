package traffic

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/meshwright/meshwright/load"
	"github.com/meshwright/meshwright/load/call"
	"github.com/meshwright/meshwright/mesh"
)

// The ways to call.
const (
	ViaMesh    = load.ViaMesh    // from a client pod, by the service's name
	ViaIngress = load.ViaIngress // from this machine, through a cluster's ingress address
)

// Options choose what is called, from where, how often.
type Options struct {
	Targets  []mesh.Cluster
	Workload mesh.Workload
	From     string  // cluster; default the first
	Via      string  // ViaMesh or ViaIngress; default ViaMesh
	Rate     float64 // requests per second; 0 is one after another, as fast as answers come
	Count    int     // requests in all; 0 goes on until the context ends
	Timeout  time.Duration
	// OnRecord hears of each request, one call at a time; may be nil.
	OnRecord func(call.Record, *Summary)
}

// MaxRate bounds Options.Rate: this is a client to watch, not a load generator.
const MaxRate = 1000

// batchSpan is how long one exec lasts at a given rate. A process in a
// container outlives the stream that started it, so it must be short: that is
// how long the client may go on calling after Ctrl-C.
const batchSpan = 3 * time.Second

// ErrNoClient says that nothing can be called, or that nothing is there to call from:
// there is no cluster, no workload or no client pod.
var ErrNoClient = errors.New("nothing to call, or to call from")

// Run calls until Count requests are made or ctx ends, which is no error: the
// summary is what was asked for. An error means that calling was impossible.
func Run(ctx context.Context, o Options) (*Summary, error) {
	from, err := o.complete()
	if err != nil {
		return nil, err
	}
	s := newSummary(&o.Targets[from], o)
	members, done, err := mesh.Connect(o.Targets)
	defer done()
	if err != nil {
		return nil, err
	}
	r := &run{Options: o, cluster: members[from], summary: s, where: places{members: members, workload: o.Workload, known: map[string]mesh.Cluster{}}}
	r.where.refresh(ctx)
	if o.Via == ViaIngress {
		err = r.ingress(ctx)
	} else {
		err = r.mesh(ctx, s.URL)
	}
	r.mu.Lock() // a stream that was dropped may still deliver
	defer r.mu.Unlock()
	r.closed = true
	s.end()
	if err != nil && ctx.Err() == nil {
		return s, err
	}
	return s, nil
}

// complete fills defaults, refuses what cannot be done, and returns the index of the
// cluster to call from.
func (o *Options) complete() (from int, err error) {
	if len(o.Targets) == 0 {
		return 0, fmt.Errorf("%w: no clusters", ErrNoClient)
	}
	if o.Workload.Empty() {
		return 0, fmt.Errorf("%w: no sample; set sample.enabled", ErrNoClient)
	}
	if o.From == "" {
		o.From = o.Targets[0].Name
	}
	if o.Via == "" {
		o.Via = ViaMesh
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Rate < 0 || o.Rate > MaxRate {
		return 0, fmt.Errorf("rate %g: choose 0 (as fast as answers come) to %d requests per second", o.Rate, MaxRate)
	}
	if o.Count < 0 {
		return 0, fmt.Errorf("count %d: choose 0 (until stopped) or more", o.Count)
	}
	i := slices.IndexFunc(o.Targets, func(t mesh.Cluster) bool { return t.Name == o.From })
	if i < 0 {
		names := make([]string, len(o.Targets))
		for i, t := range o.Targets {
			names[i] = t.Name
		}
		return 0, fmt.Errorf("no cluster is called %q; there are %v", o.From, names)
	}
	switch {
	case o.Via != ViaMesh && o.Via != ViaIngress:
		return 0, fmt.Errorf("via %q: choose %s or %s", o.Via, ViaMesh, ViaIngress)
	case o.Via == ViaIngress && o.Targets[i].IngressAddress == "":
		return 0, fmt.Errorf("cluster %s has no ingress gateway", o.From)
	}
	return i, nil
}

type run struct {
	Options
	cluster *mesh.Member // the one to call from
	where   places

	mu      sync.Mutex
	summary *Summary
	closed  bool // the summary is handed over
}

func (r *run) record(ctx context.Context, rec call.Record) {
	place := r.where.of(ctx, rec.Instance)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || (r.Count > 0 && r.summary.Requests >= r.Count) {
		return
	}
	r.summary.add(rec, place)
	if r.OnRecord != nil {
		r.OnRecord(rec, r.summary)
	}
}

func (r *run) done() bool { return r.Count > 0 && r.requests() >= r.Count }

func (r *run) requests() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.summary.Requests
}

// mesh calls url from a client pod, in one short exec after another.
func (r *run) mesh(ctx context.Context, url string) error {
	for ctx.Err() == nil && !r.done() {
		pod, container, err := r.client(ctx)
		if err != nil {
			return err
		}
		argv := call.Paced(url, r.batch(), r.Rate, r.Timeout)
		before := r.requests()
		began := time.Now()
		reader := &call.Reader{OnRecord: func(rec call.Record) { r.record(ctx, rec) }}
		var stderr tail
		code, err := r.cluster.Stream(ctx, pod, container, argv, reader, &stderr)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("cluster %s: %w", r.From, err)
		case r.requests() == before:
			return fmt.Errorf("cluster %s: curl in pod %s ended with code %d: %s", r.From, pod, code, stderr.text)
		}
		// curl paces between transfers only: wait out the last one's share.
		if r.Rate > 0 {
			made := float64(r.requests() - before)
			sleep(ctx, time.Duration(made/r.Rate*float64(time.Second))-time.Since(began))
		}
	}
	return nil
}

// batch is the number of requests of the next exec.
func (r *run) batch() int {
	n := 100
	if r.Rate > 0 {
		n = max(1, int(math.Round(r.Rate*batchSpan.Seconds())))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Count > 0 {
		n = min(n, r.Count-r.summary.Requests)
	}
	return n
}

func (r *run) client(ctx context.Context) (mesh.Pod, string, error) {
	pods, err := r.cluster.Pods(ctx, r.Workload.Namespace, r.Workload.Clients())
	if err != nil {
		return mesh.Pod{}, "", fmt.Errorf("cluster %s: %w", r.From, err)
	}
	if pods = mesh.Running(pods); len(pods) > 0 {
		return mesh.Ref(&pods[0]), mesh.AppContainer(&pods[0]), nil
	}
	return mesh.Pod{}, "", fmt.Errorf("%w: cluster %s has no running pod %s in namespace %s",
		ErrNoClient, r.From, r.Workload.Clients(), r.Workload.Namespace)
}

// ingress calls the ingress address from this machine, or, when the machine
// has no route there, from the client pod.
func (r *run) ingress(ctx context.Context) error {
	url := r.summary.URL
	var host mesh.Host
	if _, _, err := host.Get(ctx, url, r.Timeout); errors.Is(err, mesh.ErrUnroutable) {
		return r.mesh(ctx, url)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	get := func() {
		began := time.Now()
		status, body, err := host.Get(ctx, url, r.Timeout)
		if ctx.Err() != nil {
			return // stopped, not failed
		}
		rec := call.Record{Code: status, Took: time.Since(began), Err: err, Text: body}
		if err != nil {
			rec.Text = err.Error()
		} else if status == http.StatusOK {
			rec.Version, rec.Instance = call.ParseAnswer(body)
		}
		r.record(ctx, rec)
	}
	if r.Rate == 0 {
		for ctx.Err() == nil && !r.done() {
			get()
		}
		return nil
	}
	// At a rate, a slow answer does not hold up the next request.
	tick := time.NewTicker(time.Duration(float64(time.Second) / r.Rate))
	defer tick.Stop()
	for sent := 0; r.Count == 0 || sent < r.Count; sent++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			wg.Go(get)
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// tail keeps the last piece written to it.
type tail struct{ text string }

func (t *tail) Write(p []byte) (int, error) {
	t.text = string(p[max(0, len(p)-300):])
	return len(p), nil
}
