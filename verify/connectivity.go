package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/meshwright/meshwright/load"
	"github.com/meshwright/meshwright/load/call"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/report"
)

var connectivity = Check{
	ID:       CheckConnectivity,
	Title:    "connectivity across clusters",
	Proves:   "every version answers a client in every cluster, and every cluster's ingress, without an error",
	Needs:    []Capability{CapabilityWorkload},
	Deadline: 15 * time.Second,
	Reasons: []Cause{
		clientMissing,
		recordsLost,
		{
			ReasonNoAnswer, "every request of a client failed",
			report.Remedy{
				Text: "see the checks " + CheckControlPlane + " and " + CheckDiscovery + " first, then the istio-proxy log of the client in the evidence",
			},
		},
		{
			ReasonVersionUnreachable, "a version never answered",
			report.Remedy{Text: "the checks " + CheckControlPlane + ", " + CheckTrust + " and " + CheckDiscovery + " show which part of the path to that version is broken"},
		},
		requestErrors,
		{
			ReasonVersionUnexpected, "a version answered that is not declared",
			report.Remedy{Object: "the deployments of the workload", Text: "the workload differs from what is declared"},
		},
	},
	run: checkConnectivity,
}

// Reasons of check "connectivity".
const (
	ReasonNoAnswer           Reason = "NoAnswer"
	ReasonVersionUnreachable Reason = "VersionUnreachable"
	ReasonVersionUnexpected  Reason = "VersionUnexpected"
)

// ConnectivityData is what check "connectivity" measured.
type ConnectivityData struct {
	Clients []ClientStats `json:"clients"`
}

// ClientStats are the requests of one client.
type ClientStats struct {
	From      string         `json:"from"` // the client's cluster
	Power     Power          `json:"power"`
	Expected  []string       `json:"expected"` // the versions that must answer this client
	Via       string         `json:"via"`      // "mesh": a pod calls the service; "ingress": the cluster's ingress address is called
	Client    string         `json:"client"`
	URL       string         `json:"url"`
	Requests  int            `json:"requests"` // records; must equal the requests scheduled
	Errors    int            `json:"errors"`
	Versions  map[string]int `json:"versions"`  // answers by version
	Clusters  map[string]int `json:"clusters"`  // answers by the cluster that they came from
	Instances map[string]int `json:"instances"` // answers by pod
	P50       float64        `json:"p50Milliseconds"`
	P99       float64        `json:"p99Milliseconds"`
}

// batch is what came back from one client.
type batch struct {
	stats   ClientStats
	member  *mesh.Member
	records []call.Record
	pod     *mesh.Pod // the client pod, when there is one
}

// checkConnectivity calls the workload from a pod in each cluster and through each
// ingress, all at once.
func checkConnectivity(ctx context.Context, m *session, out *outcome) {
	where := m.instances(ctx)

	var mu sync.Mutex
	var batches []batch
	var wg group
	start := func(f func() (*batch, *Finding)) {
		wg.Go(func() {
			b, finding := f()
			if finding != nil {
				out.add(*finding)
				return
			}
			mu.Lock()
			batches = append(batches, *b)
			mu.Unlock()
		})
	}
	clients := 0
	for _, c := range m.members {
		clients++
		if c.IngressAddress != "" {
			clients++
		}
	}
	failed := m.before.only(ReasonRequestErrors)
	power := func(c *mesh.Member) Power {
		total := requestsForErrors
		if failed > 0 {
			total = requestsToConfirm
		}
		p := m.powerFor(c)
		return p.withRequests(max(p.Requests, (total+clients-1)/clients))
	}
	for _, c := range m.members {
		n := power(c).Requests
		start(func() (*batch, *Finding) { return m.callFromPod(ctx, c, "mesh", m.workload.URL(), n) })
		if c.IngressAddress != "" {
			start(func() (*batch, *Finding) { return m.callIngress(ctx, c, n) })
		}
	}
	wg.Wait()
	sort.Slice(batches, func(i, j int) bool {
		a, b := batches[i].stats, batches[j].stats
		return a.From+" "+a.Via < b.From+" "+b.Via
	})
	data := ConnectivityData{Clients: []ClientStats{}}
	requests := 0
	for _, b := range batches {
		b.stats.Power, b.stats.Expected = power(b.member), m.expected(b.member)
		b.count(where)
		data.Clients = append(data.Clients, b.stats)
		requests += b.stats.Requests
		m.judgeClient(b, out)
	}
	out.data = data
	// Requests that failed among others that were answered are no transition that a
	// later attempt sees the end of: it decides, and is large enough to.
	out.certain = failed > 0 && len(out.findings) > 0
	if failed > 0 && !out.failed() {
		out.add(Finding{
			Reason: ReasonRequestErrors, Warning: true, Object: "an earlier attempt",
			Message: fmt.Sprintf("%s; then none of %d requests", m.before.findings[0].Message, requests),
		})
	}
	who := strings.Join(m.workload.AllVersions(), ", ")
	if m.workload.Traffic.Regional() {
		who = "the versions that the " + m.workload.Traffic.Mode + " rule leaves to it"
	}
	out.summary = fmt.Sprintf("%s answered all of %s (%s), 0 errors in %d requests",
		who, count(len(batches), "client"), sharesOf(data.Clients), requests)
}

// The requests of all clients together. Where each fails with probability p, n of them
// all succeed with (1-p)ⁿ: 230 requests miss a rate of 2% with probability 1%, and 1,000
// a rate of 0.5% with 0.7%. After an attempt in which some failed the larger number must
// be answered, all of it.
const (
	requestsForErrors = 230
	requestsToConfirm = 1000
)

// instances maps server pods to their clusters.
func (m *session) instances(ctx context.Context) map[string]string {
	var mu sync.Mutex
	where := map[string]string{}
	m.each(func(c *mesh.Member) {
		pods, err := c.Servers(ctx, m.workload)
		if err != nil { // where an answer came from stays unknown, that it came does not
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, p := range pods {
			where[p.Name] = c.Name
		}
	})
	return where
}

// concurrency keeps a batch whose every request times out within four times
// the request's bound.
func concurrency(n int) int { return max(8, (n+3)/4) }

// callFromPod makes n requests from a client pod, in one exec.
func (m *session) callFromPod(ctx context.Context, c *mesh.Member, via, url string, n int) (*batch, *Finding) {
	client, finding := m.readyPod(ctx, c, m.workload.Clients())
	if finding != nil {
		return nil, finding
	}
	pod := mesh.Ref(client)
	argv := call.Curl(url, n, concurrency(n), m.timeouts.Request)
	res, err := c.Exec(ctx, pod, mesh.AppContainer(client), argv)
	if err != nil {
		return nil, new(unreachable(c, "pod "+pod.String(), err))
	}
	records := call.Parse(string(res.Stdout))
	if len(records) == 0 {
		return nil, &Finding{
			Reason: ReasonProbeFailed, Cluster: c.Name, Object: "pod " + pod.String(),
			Message: curlError(res).Error(),
		}
	}
	return &batch{
		member: c, records: records, pod: &pod,
		stats: ClientStats{From: c.Name, Via: via, Client: "pod " + pod.Name, URL: url, Requests: len(records)},
	}, nil
}

// callIngress makes n requests to the ingress address of c, from this machine
// or, when it has no route there, from a client pod of the same cluster.
func (m *session) callIngress(ctx context.Context, c *mesh.Member, n int) (*batch, *Finding) {
	url := "http://" + c.IngressAddress + m.workload.Path
	first := m.getOnce(ctx, url)
	if errors.Is(first.Err, mesh.ErrUnroutable) {
		return m.callFromPod(ctx, c, "ingress", url, n)
	}
	records := make([]call.Record, n)
	records[0] = first
	limit := make(chan struct{}, concurrency(n))
	var wg group
	for i := 1; i < n; i++ {
		limit <- struct{}{}
		wg.Go(func() {
			records[i] = m.getOnce(ctx, url)
			<-limit
		})
	}
	wg.Wait()
	return &batch{
		member: c, records: records,
		stats: ClientStats{From: c.Name, Via: "ingress", Client: "host", URL: url, Requests: n},
	}, nil
}

func (m *session) getOnce(ctx context.Context, url string) call.Record {
	began := time.Now()
	status, body, err := m.host.Get(ctx, url, m.timeouts.Request)
	r := call.Record{Code: status, Took: time.Since(began), Err: err}
	if err != nil {
		r.Text = err.Error()
		return r
	}
	r.Version, r.Instance = call.ParseAnswer(body)
	r.Text = strings.TrimSpace(body)
	return r
}

// count fills the statistics from the records.
func (b *batch) count(where map[string]string) {
	s := &b.stats
	s.Versions, s.Clusters, s.Instances = map[string]int{}, map[string]int{}, map[string]int{}
	var took []float64
	for _, r := range b.records {
		if !r.OK() {
			s.Errors++
			continue
		}
		took = append(took, load.Milliseconds(r.Took))
		s.Versions[r.Version]++
		if r.Instance != "" {
			s.Instances[r.Instance]++
			if c, ok := where[r.Instance]; ok {
				s.Clusters[c]++
			}
		}
	}
	s.P50, s.P99 = load.Quantile(took, 0.50), load.Quantile(took, 0.99)
}

// judgeClient decides about one client's batch.
func (m *session) judgeClient(b batch, out *outcome) {
	s, versions := b.stats, m.workload.AllVersions()
	object := "client pod"
	if s.Via == "ingress" {
		object = "ingress " + b.member.IngressAddress
	}
	var evidence []gather
	report := func(reason Reason, format string, args ...any) {
		if evidence == nil {
			evidence = b.evidence()
			out.add(Finding{Reason: reason, Cluster: s.From, Object: object, Message: fmt.Sprintf(format, args...)}, evidence...)
			return
		}
		out.add(Finding{Reason: reason, Cluster: s.From, Object: object, Message: fmt.Sprintf(format, args...)})
	}
	if s.Requests != s.Power.Requests {
		report(ReasonRecordsLost, "%d requests scheduled, %d recorded", s.Power.Requests, s.Requests)
	}
	if s.Errors == s.Requests {
		report(ReasonNoAnswer, "all of %d requests failed: %s", s.Requests, b.firstError())
		return
	}
	var missing []string
	for _, v := range s.Expected {
		if s.Versions[v] == 0 {
			missing = append(missing, v)
		}
	}
	if len(missing) > 0 {
		why := ""
		if s.Errors > 0 {
			why = fmt.Sprintf("; %d failed: %s", s.Errors, b.firstError())
		}
		report(ReasonVersionUnreachable, "%s never answered in %d requests (%s)%s",
			strings.Join(missing, ", "), s.Requests, shares(s.Versions), why)
	} else if s.Errors > 0 {
		report(ReasonRequestErrors, "%d of %d requests failed (%s): %s", s.Errors, s.Requests, shares(s.Versions), b.firstError())
	}
	for _, v := range slices.Sorted(maps.Keys(s.Versions)) {
		if !slices.Contains(versions, v) {
			report(ReasonVersionUnexpected, "%d answers came from version %q; declared are %s", s.Versions[v], v, strings.Join(versions, ", "))
		}
	}
}

func (b *batch) firstError() string {
	for _, r := range b.records {
		if !r.OK() {
			return r.String()
		}
	}
	return ""
}

// evidence attaches the request log, failures first, and the client's proxy log.
func (b *batch) evidence() []gather {
	var log strings.Builder
	for _, failed := range []bool{true, false} {
		for i, r := range b.records {
			if r.OK() != failed {
				fmt.Fprintf(&log, "%3d %s\n", i+1, r)
			}
		}
	}
	text := log.String()
	const more = "...\n"
	if limit := maxExcerpt - len(more); len(text) > limit { // the failures are at the beginning
		text = text[:limit] + more
	}
	out := []gather{textEvidence(b.member, EvidenceRequests, "requests via "+b.stats.Via+" to "+b.stats.URL, text)}
	if b.pod == nil {
		return append(out, logEvidence(b.member, "", mesh.IngressSelector, mesh.Sidecar))
	}
	return append(out, proxyLogEvidence(b.member, *b.pod))
}

// shares renders counts by version as "v1 24, v2 27".
func shares(versions map[string]int) string {
	parts := make([]string, 0, len(versions))
	for _, v := range slices.Sorted(maps.Keys(versions)) {
		parts = append(parts, v+" "+strconv.Itoa(versions[v]))
	}
	if len(parts) == 0 {
		return "no answer"
	}
	return strings.Join(parts, ", ")
}

func sharesOf(clients []ClientStats) string {
	total := map[string]int{}
	for _, c := range clients {
		for v, n := range c.Versions {
			total[v] += n
		}
	}
	return shares(total)
}
