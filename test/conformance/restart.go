package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/meshwright/meshwright/load/call"
	"github.com/meshwright/meshwright/mesh"
)

// restartGoal is within how long after their start nodes must answer across
// clusters again, with nobody's help.
const restartGoal = 60 * time.Second

// restartLimit ends the measurement.
const restartLimit = 5 * time.Minute

// restart is what a restart of all nodes in swapped order showed. Times count from
// the first node's start.
type restart struct {
	Stop      time.Duration     // how long stopping took
	Before    map[string]string // addresses by node
	After     map[string]string
	Phases    []phase       // in order of time
	Answers   time.Duration // every cluster has answered every other; 0: never
	Clean     time.Duration // and no request fails any more; 0: never
	LastError string
}

// phase is something that works again.
type phase struct {
	Cluster, What string
	At            time.Duration // 0: never within the limit
}

func (r *restart) verdict() []string {
	var failures []string
	switch {
	case r.Answers == 0:
		failures = append(failures, fmt.Sprintf("no answers across clusters within %s of the restart: %s", restartLimit, r.LastError))
	case r.Answers > restartGoal:
		failures = append(failures, fmt.Sprintf("answers across clusters came %.1f s after the restart, later than %s", r.Answers.Seconds(), restartGoal))
	case r.Clean == 0:
		failures = append(failures, fmt.Sprintf("requests still fail %s after the restart: %s", restartLimit, r.LastError))
	}
	for node, before := range r.Before {
		if r.After[node] == "" {
			failures = append(failures, "node "+node+" has no address after the restart")
		} else if len(r.Before) > 1 && r.After[node] == before {
			failures = append(failures, "node "+node+" has its old address: the restart proved less than it should")
		}
	}
	slices.Sort(failures)
	return failures
}

// restartNodes stops all nodes, starts them in the opposite order of their
// addresses, so that these are handed out anew, and watches everything come back.
func (l *lab) restartNodes(ctx context.Context, s stack, sites []*site) (*restart, error) {
	var nodes []string
	for _, site := range sites {
		nodes = append(nodes, site.nodes...)
	}
	r := &restart{}
	var err error
	if r.Before, err = l.addresses(ctx, nodes); err != nil {
		return nil, err
	}
	began := time.Now()
	var wg sync.WaitGroup
	errs := make([]error, len(nodes))
	for i, n := range nodes {
		wg.Go(func() { errs[i] = l.Docker.Stop(ctx, n, 30*time.Second) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	r.Stop = time.Since(began)
	// The daemon hands out the lowest free address first.
	slices.SortFunc(nodes, func(a, b string) int { return compareAddresses(r.Before[b], r.Before[a]) })
	began = time.Now()
	for _, n := range nodes {
		if err := l.Docker.Start(ctx, n); err != nil {
			return nil, err
		}
	}
	if r.After, err = l.addresses(ctx, nodes); err != nil {
		return nil, err
	}
	l.watch(ctx, s, sites, began, r)
	return r, ctx.Err()
}

func (l *lab) addresses(ctx context.Context, nodes []string) (map[string]string, error) {
	out := map[string]string{}
	for _, n := range nodes {
		c, err := l.Docker.Container(ctx, n)
		if err != nil {
			return nil, err
		}
		for _, e := range c.Networks {
			out[n] = e.IPAddress
		}
	}
	return out, nil
}

// compareAddresses orders IPv4 addresses by value.
func compareAddresses(a, b string) int {
	pad := func(s string) string {
		var out strings.Builder
		for part := range strings.SplitSeq(s, ".") {
			fmt.Fprintf(&out, "%3s", part)
		}
		return out.String()
	}
	return strings.Compare(pad(a), pad(b))
}

// watch asks for every phase again and again until it is there.
func (l *lab) watch(ctx context.Context, s stack, sites []*site, began time.Time, r *restart) {
	ctx, cancel := context.WithTimeout(ctx, restartLimit)
	defer cancel()
	var mu sync.Mutex
	record := func(cluster, what string, at time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		r.Phases = append(r.Phases, phase{cluster, what, at})
		l.say(s, fmt.Sprintf("%5.1f s after the restart: %s %s", at.Seconds(), cluster, what))
	}
	var wg sync.WaitGroup
	for _, site := range sites {
		for _, p := range site.phases(sites) {
			wg.Go(func() {
				if poll(ctx, p.ready) == nil {
					record(site.name, p.what, time.Since(began))
				} else if ctx.Err() != nil {
					record(site.name, p.what, 0)
				}
			})
		}
		// Across clusters: first answers, then whole rounds without an error.
		wg.Go(func() {
			missing := map[string]bool{}
			for _, other := range sites {
				missing[other.name] = other != site && len(other.servers) > 0
			}
			maps.DeleteFunc(missing, func(_ string, wanted bool) bool { return !wanted })
			everyone := len(missing)
			clean := false
			_ = poll(ctx, func(ctx context.Context) error {
				answered, err := site.round(ctx, sites)
				for name := range answered {
					if missing[name] {
						delete(missing, name)
						record(site.name, "answered by "+name, time.Since(began))
					}
				}
				delete(answered, site.name)
				if err == nil && len(answered) < everyone {
					err = fmt.Errorf("%s: only %d of %d other clusters answered", site.name, len(answered), everyone)
				}
				if err != nil && ctx.Err() == nil {
					mu.Lock()
					r.LastError = site.name + ": " + err.Error()
					mu.Unlock()
				}
				clean = err == nil
				return err
			})
			for name := range missing {
				record(site.name, "answered by "+name, 0)
			}
			at := time.Duration(0)
			if clean {
				at = time.Since(began)
			}
			record(site.name, "requests without an error", at)
		})
	}
	wg.Wait()
	slices.SortStableFunc(r.Phases, func(a, b phase) int {
		if (a.At == 0) != (b.At == 0) { // what never came is last
			return int(b.At - a.At)
		}
		return int(a.At - b.At)
	})
	r.Answers, r.Clean = last(r.Phases, "answered by "), last(r.Phases, "requests without an error")
}

// last is when the last phase of a kind was there; 0 when one never was.
func last(phases []phase, kind string) time.Duration {
	at := time.Duration(0)
	for _, p := range phases {
		if strings.HasPrefix(p.What, kind) {
			if p.At == 0 {
				return 0
			}
			at = max(at, p.At)
		}
	}
	return at
}

// pollEvery is rare enough not to slow down what it waits for.
const pollEvery = 500 * time.Millisecond

// poll asks again and again until there is no error or ctx ends.
func poll(ctx context.Context, ready func(context.Context) error) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := ready(attempt)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pollEvery):
		}
	}
}

// watched is a phase and how to see it. Objects in the API tell of the time
// before the restart until their keepers are back, so each is seen in action.
type watched struct {
	what  string
	ready func(context.Context) error
}

func (s *site) phases(sites []*site) []watched {
	list := []watched{
		{"API server answers", func(ctx context.Context) error {
			_, err := s.cluster.Kubernetes.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
			return err
		}},
		{"client runs", func(ctx context.Context) error { return s.execs(ctx, "true") }},
		{"names resolve", func(ctx context.Context) error { return s.execs(ctx, "getent", "hosts", "helloworld.sample") }},
		{"ingress gateway is ready", s.pod("istio-system", "istio=ingressgateway", 15021, "/healthz/ready", nil)},
		{"ingress address answers", func(ctx context.Context) error { return get(ctx, "http://"+s.ingress+":15021/healthz/ready") }},
		{"client's proxy is ready", s.pod(sampleNamespace, sampleClient, 15021, "/healthz/ready", nil)},
	}
	if s.primary {
		list = append(list,
			watched{"istiod is ready", s.pod("istio-system", "app=istiod", 8080, "/ready", nil)},
			watched{"istiod reads all clusters", s.pod("istio-system", "app=istiod", 8080, "/debug/clusterz", func(body []byte) error { return synced(body, len(sites)) })},
		)
	}
	return list
}

// synced reads istiod's /debug/clusterz.
func synced(body []byte, clusters int) error {
	var list []struct{ ID, SyncStatus string }
	if err := json.Unmarshal(body, &list); err != nil {
		return err
	}
	for _, c := range list {
		if c.SyncStatus != "synced" {
			return fmt.Errorf("%s is %s", c.ID, c.SyncStatus)
		}
	}
	if len(list) < clusters {
		return fmt.Errorf("%d clusters of %d", len(list), clusters)
	}
	return nil
}

// pod gets a path from the first pod of a selector.
func (s *site) pod(namespace, selector string, port int, path string, good func([]byte) error) func(context.Context) error {
	return func(ctx context.Context) error {
		pods, err := s.cluster.Pods(ctx, namespace, selector)
		if err != nil {
			return err
		}
		if len(pods) == 0 {
			return fmt.Errorf("no pod %s", selector)
		}
		body, err := s.cluster.HTTP(ctx, mesh.Ref(&pods[0]), port, path)
		if err == nil && good != nil {
			err = good(body)
		}
		return err
	}
}

func (s *site) execs(ctx context.Context, argv ...string) error {
	out, err := s.cluster.Exec(ctx, s.client, sampleContainer, argv)
	if err == nil && out.Code != 0 {
		err = fmt.Errorf("%s: code %d", argv[0], out.Code)
	}
	return err
}

// round makes calls from the site's client and returns which clusters answered, and
// an error when a call failed.
func (s *site) round(ctx context.Context, sites []*site) (map[string]bool, error) {
	const calls = 24
	answered := map[string]bool{}
	out, err := s.cluster.Exec(ctx, s.client, sampleContainer, call.Curl(sampleURL, calls, 8, time.Second))
	if err != nil {
		return answered, err
	}
	records := call.Parse(string(out.Stdout))
	failed := calls - len(records)
	why := "no record"
	for _, r := range records {
		if r.OK() {
			answered[where(sites, r.Instance)] = true
			continue
		}
		failed++
		why = r.String()
	}
	if failed > 0 {
		return answered, fmt.Errorf("%d of %d requests failed: %s", failed, calls, why)
	}
	return answered, nil
}

func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}).Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}
