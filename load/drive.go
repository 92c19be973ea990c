package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/meshwright/meshwright/load"
	"github.com/meshwright/meshwright/mesh"
)

// Bounds of timed checks.
const (
	warmUp       = 2 * time.Second
	removeWithin = 2 * time.Minute
)

// inScenario brings a workload up, waits until every proxy knows it, hands f a
// view of the mesh in which it is the one to call, and takes it down again,
// whatever happened meanwhile.
func (m *session) inScenario(ctx context.Context, s mesh.Scenario, out *outcome, f func(*session)) {
	defer func() {
		if m.say != nil {
			m.say("removing the workload")
		}
		fresh, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeWithin)
		defer cancel()
		if err := m.deployer.Remove(fresh, s.Name); err != nil {
			out.add(Finding{
				Reason: ReasonNotRemoved, Object: "scenario " + s.Name, Warning: true,
				Message: err.Error(),
			})
		}
	}()
	w, err := m.deployer.Deploy(ctx, s)
	if err != nil {
		out.add(Finding{Reason: ReasonNotDeployed, Object: "scenario " + s.Name, Message: err.Error()})
		return
	}
	view := *m
	view.workload, view.workload.Traffic = w, s.Traffic
	if findings := view.settle(ctx); len(findings) > 0 {
		for _, f := range findings {
			out.add(f, f.evidence...)
		}
		return
	}
	f(&view)
}

// stopped is the error of a run that was stopped, with what it left in the mesh.
func stopped(ctx context.Context, what string, findings []Finding) error {
	cause := context.Cause(ctx)
	for _, f := range findings {
		if f.Reason == ReasonNotRemoved {
			return &RemedyError{
				Err:    fmt.Errorf("%s stopped: %w\nleft in the mesh: %s%s", what, cause, f.where(), f.Message),
				Remedy: notRemoved.Remedy,
			}
		}
	}
	return fmt.Errorf("%s stopped: %w\nnothing of it is left in the mesh", what, cause)
}

// settle waits until discovery is complete for the workload and returns what
// was still missing when the time was over.
func (m *session) settle(ctx context.Context) []Finding {
	loads := *m // whose proxies count
	loads.workload.ClientLabel = m.workload.LoadLabel
	var last []Finding
	//nolint:errcheck // what it waited for in vain is in last
	wait.PollUntilContextTimeout(ctx, m.timeouts.Interval, m.timeouts.Settle, true, func(ctx context.Context) (bool, error) {
		look := &outcome{}
		checkDiscovery(ctx, &loads, look)
		if !look.failed() {
			last = nil
			return true, nil
		}
		if ctx.Err() == nil || last == nil {
			look.sort(nil)
			last = look.findings
		}
		return false, nil
	})
	return last
}

// generator makes load. Tests have a fake.
type generator interface {
	fromPod(c *mesh.Member, pod mesh.Pod, container string) (load.Source, error)
	fromHost() load.Source
}

// vegeta generates load by the program of that name in a pod, and by its
// library here.
type vegeta struct{}

func (vegeta) fromHost() load.Source { return load.FromHost() }

func (vegeta) fromPod(c *mesh.Member, pod mesh.Pod, container string) (load.Source, error) {
	return load.FromPod(c, pod, container), nil
}

// loader is one place from which the workload is called.
type loader struct {
	member *mesh.Member
	via    string // "mesh" or "ingress", as in ClientStats
	source load.Source
	url    string
	host   string // the Host header; "" for the URL's
	// proxy counts the retries of this loader's requests.
	proxy mesh.Proxy
}

// loaders returns the mesh client and the ingress of every cluster that pick
// chooses.
func (m *session) loaders(ctx context.Context, pick func(*mesh.Member) bool) ([]loader, *Finding) {
	var out []loader
	for _, c := range m.members {
		if !pick(c) {
			continue
		}
		pod, finding := m.readyPod(ctx, c, m.workload.LoadLabel)
		if finding != nil {
			return nil, finding
		}
		inPod, err := m.generator.fromPod(c, mesh.Ref(pod), mesh.AppContainer(pod))
		if err != nil {
			return nil, &Finding{Reason: ReasonProbeFailed, Cluster: c.Name, Message: err.Error()}
		}
		out = append(out, loader{
			member: c, via: "mesh", source: inPod, url: m.workload.URL(),
			proxy: mesh.Proxy{Member: c, Pod: *pod, Role: mesh.RoleClient},
		})
		if c.IngressAddress == "" {
			continue
		}
		ingress := loader{member: c, via: "ingress", url: "http://" + c.IngressAddress + m.workload.Path, host: m.workload.Host}
		gateways, err := c.Pods(ctx, mesh.SystemNamespace, mesh.IngressSelector)
		if err != nil {
			return nil, new(unreachable(c, "", err))
		}
		if gateways = mesh.Running(gateways); len(gateways) > 0 {
			ingress.proxy = mesh.Proxy{Member: c, Pod: gateways[0], Role: mesh.RoleIngress}
		}
		ingress.source = m.generator.fromHost()
		if _, _, err := m.host.Get(ctx, ingress.url, m.timeouts.Request); errors.Is(err, mesh.ErrUnroutable) {
			ingress.source = inPod
		}
		out = append(out, ingress)
	}
	return out, nil
}

func (l loader) where() string {
	if l.via == "ingress" {
		return "ingress " + l.member.IngressAddress
	}
	return "client pod"
}

// trace is what one loader saw.
type trace struct {
	loader
	records []load.Record // by the time at which they were sent
	retries *int          // by the loader's proxy; nil where it does not count
	err     error
}

// drive makes load from all loaders at once.
func (m *session) drive(ctx context.Context, loaders []loader, p load.Plan) []trace {
	out := make([]trace, len(loaders))
	var wg sync.WaitGroup
	for i, l := range loaders {
		wg.Go(func() {
			t := trace{loader: l}
			plan := p
			plan.URL, plan.Host = l.url, l.host
			before, known := m.retries(ctx, l)
			t.records = make([]load.Record, 0, plan.Scheduled())
			t.err = l.source.Run(ctx, plan, func(r load.Record) { t.records = append(t.records, r) })
			if after, still := m.retries(ctx, l); known && still {
				n := after - before
				t.retries = &n
			}
			slices.SortFunc(t.records, func(a, b load.Record) int { return a.At.Compare(b.At) })
			out[i] = t
		})
	}
	wg.Wait()
	return out
}

func (m *session) retries(ctx context.Context, l loader) (int, bool) {
	if l.proxy.Member == nil {
		return 0, false
	}
	n, known, err := m.retriesOf(ctx, l.proxy)
	return n, known && err == nil
}

// complete reports loaders that failed or lost records; the figures of the
// others stand.
func (t *trace) complete(p load.Plan, out *outcome) bool {
	if t.err != nil {
		out.add(Finding{Reason: ReasonRecordsLost, Cluster: t.member.Name, Object: t.where(), Message: t.err.Error()})
		return false
	}
	if n := p.Scheduled(); len(t.records) != n {
		out.add(Finding{
			Reason: ReasonRecordsLost, Cluster: t.member.Name, Object: t.where(),
			Message: fmt.Sprintf("%d requests scheduled, %d recorded", n, len(t.records)),
		})
		return false
	}
	return true
}

// homes maps the pods behind the workload to their clusters.
func (m *session) homes(ctx context.Context) map[string]mesh.Cluster {
	out := map[string]mesh.Cluster{}
	for pod, cluster := range m.instances(ctx) {
		out[pod] = m.member(cluster).Cluster
	}
	return out
}
