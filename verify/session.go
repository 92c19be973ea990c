package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/meshwright/meshwright/load"
	"github.com/meshwright/meshwright/mesh"
)

// host is what the checks need of this machine.
type host interface {
	Dial(ctx context.Context, addr string, timeout time.Duration) error
	Get(ctx context.Context, url string, timeout time.Duration) (status int, body string, err error)
}

// session is everything that a check may look at.
type session struct {
	members  []*mesh.Member
	workload mesh.Workload
	timeouts Timeouts
	host     host
	gateways map[string][]string // see findGateways
	before   *outcome            // of the attempt before this one; nil for the first

	// For timed checks.
	deployer mesh.Deployer
	rules    mesh.Rules
	sources  load.Sources
	say      func(step string) // hears what a timed check does now; may be nil
}

// each calls f for every member at the same time and waits.
func (m *session) each(f func(*mesh.Member)) {
	var wg group
	for _, c := range m.members {
		wg.Go(func() { f(c) })
	}
	wg.Wait()
}

func (m *session) member(name string) *mesh.Member {
	for _, c := range m.members {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// readyPod returns the first ready pod of a selector in the workload's namespace of
// c; that there is none is a finding.
func (m *session) readyPod(ctx context.Context, c *mesh.Member, selector string) (*corev1.Pod, *Finding) {
	pods, err := c.Pods(ctx, m.workload.Namespace, selector)
	if err != nil {
		return nil, new(unreachable(c, "", err))
	}
	if p := mesh.FirstReady(pods); p != nil {
		return p, nil
	}
	return nil, &Finding{
		Reason: ReasonClientMissing, Cluster: c.Name,
		Message: fmt.Sprintf("no ready pod %s in namespace %s", selector, m.workload.Namespace),
	}
}

// unreachable turns an error of the API server, or of a stream through it,
// into a finding.
func unreachable(c *mesh.Member, object string, err error) Finding {
	reason := ReasonProbeFailed
	var status apierrors.APIStatus
	switch {
	case errors.Is(err, errAttemptOver), errors.Is(err, context.DeadlineExceeded):
		reason = ReasonTimedOut
	case object == "" && !errors.As(err, &status):
		reason = ReasonClusterUnreachable
	}
	return Finding{Reason: reason, Cluster: c.Name, Object: object, Message: fmt.Sprintf("cannot be asked: %v", err)}
}
