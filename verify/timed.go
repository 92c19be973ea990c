package verify

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/meshwright/meshwright/load"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/report"
)

// inScenario brings a workload up, waits until every proxy knows it, hands f a
// view of the mesh in which it is the one to call, and takes it down again,
// whatever happened meanwhile.
func (m *session) inScenario(ctx context.Context, s mesh.Scenario, out *outcome, f func(*session)) {
	deployErr, removeErr := mesh.InScenario(ctx, m.deployer, s, func(w mesh.Workload) {
		if m.say != nil {
			defer m.say("removing the workload")
		}
		view := *m
		view.workload = w
		findings := view.settle(ctx)
		for _, f := range findings {
			out.add(f.Finding, f.evidence...)
		}
		if len(findings) == 0 {
			f(&view)
		}
	})
	if deployErr != nil {
		out.add(Finding{Reason: ReasonNotDeployed, Object: "scenario " + s.Name, Message: deployErr.Error()})
	}
	if removeErr != nil {
		out.add(Finding{Reason: ReasonNotRemoved, Object: "scenario " + s.Name, Warning: true, Message: removeErr.Error()})
	}
}

// stopped is the error of a verification that was stopped, with what it left in the mesh.
func stopped(ctx context.Context, findings []Finding) error {
	cause := context.Cause(ctx)
	for _, f := range findings {
		if f.Reason == ReasonNotRemoved {
			return report.WithRemedies(fmt.Errorf("verification stopped: %w\nleft in the mesh: %s", cause, f), notRemoved.Remedy)
		}
	}
	return fmt.Errorf("verification stopped: %w\nnothing of it is left in the mesh", cause)
}

// settle waits until discovery is complete for the workload and returns what
// was still missing when the time was over.
func (m *session) settle(ctx context.Context) []finding {
	loads := *m // whose proxies count
	loads.workload.ClientLabel = m.workload.LoadLabel
	var last []finding
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

// generators returns the load generators of all members.
func (m *session) generators(ctx context.Context) ([]load.Generator, *Finding) {
	out, err := load.Generators(ctx, m.sources, m.members, m.workload, m.timeouts.Request)
	if e := (*load.GeneratorError)(nil); errors.As(err, &e) {
		if e.Missing {
			return nil, &Finding{Reason: ReasonClientMissing, Cluster: e.Cluster, Message: e.Err.Error()}
		}
		return nil, new(unreachable(m.member(e.Cluster), "", e.Err))
	}
	return out, nil
}

// localities looks at what regional traffic depends on: that the proxy of every load
// generator knows in which region each endpoint is. It returns the first finding.
func (m *session) localities(ctx context.Context, generators []load.Generator) *Finding {
	known := map[string]bool{}
	for _, c := range m.members {
		known[c.Region] = true
	}
	for _, g := range generators {
		if g.Proxy == (mesh.Pod{}) {
			continue
		}
		pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: g.Proxy.Namespace, Name: g.Proxy.Name}}
		proxy := mesh.Proxy{Member: m.member(g.From.Name), Pod: pod, Role: mesh.RoleClient}
		list, finding := m.endpoints(ctx, proxy)
		if finding != nil {
			return finding
		}
		for _, e := range list {
			if !known[e.Region] {
				return &Finding{
					Reason: ReasonLocalityUnknown, Cluster: g.From.Name, Object: proxy.Object(),
					Message: fmt.Sprintf("endpoint %s is in region %q, which no cluster declares", e.Address, e.Region),
				}
			}
		}
	}
	return nil
}

// Readiness looks at what a measurement depends on: that every proxy knows the
// workload, and where its endpoints are. Its methods are those that a drill takes.
type Readiness struct {
	Members  []*mesh.Member
	Timeouts Timeouts
}

func (r Readiness) session(w mesh.Workload) *session {
	return &session{members: r.Members, workload: w, timeouts: r.Timeouts.withDefaults()}
}

// Settled waits until discovery is complete for a workload and its load generators,
// and returns what is still missing at the end of Timeouts.Settle.
func (r Readiness) Settled(ctx context.Context, w mesh.Workload) []report.Finding {
	var out []report.Finding
	for _, f := range r.session(w).settle(ctx) {
		out = append(out, f.Finding)
	}
	return out
}

// Localities returns the first endpoint whose region the proxy of a load generator
// does not know, or nil.
func (r Readiness) Localities(ctx context.Context, w mesh.Workload, generators []load.Generator) []report.Finding {
	if f := r.session(w).localities(ctx, generators); f != nil {
		return []report.Finding{*f}
	}
	return nil
}
