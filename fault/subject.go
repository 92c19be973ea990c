package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/meshwright/meshwright/mesh"
)

const (
	system      = mesh.SystemNamespace
	istiodLabel = mesh.IstiodSelector
	eastWest    = mesh.EastWestSelector
	anyGateway  = "istio in (ingressgateway,eastwestgateway)"
)

// settle bounds every wait for an object to become as it was asked to be.
const settle = 2 * time.Minute

// Subject is the mesh that is broken. In most faults one of its clusters, the victim,
// is broken, and another, the witness, notices.
type Subject struct {
	Members []*mesh.Member
	// Workload is what is called. Faults on a workload break it and its rules.
	Workload mesh.Workload
	// Region of the workload that fails, in faults of a region.
	Region string
	// NodeExec is the capability Nodes; nil without it.
	NodeExec NodeExec
}

// NodeExec runs a command as root on the node of that name and returns its output.
type NodeExec func(ctx context.Context, node string, argv ...string) ([]byte, error)

// member is one cluster of the subject.
type member struct{ *mesh.Member }

func (s *Subject) members() []*member {
	var out []*member
	for _, m := range s.Members {
		out = append(out, &member{m})
	}
	return out
}

// member returns the cluster of that name, or nil.
func (s *Subject) member(name string) *member {
	for _, m := range s.members() {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// primary returns the nth cluster with a control plane of its own, or nil.
func (s *Subject) primary(n int) *member {
	for _, m := range s.members() {
		if m.Primary() {
			if n--; n < 0 {
				return m
			}
		}
	}
	return nil
}

func (s *Subject) witness() *member { return s.primary(0) }
func (s *Subject) victim() *member  { return s.primary(1) }

// pair returns two clusters that share a network, or that do not; nil without such.
func (s *Subject) pair(near bool) (a, b *member) {
	all := s.members()
	for i, a := range all {
		for _, b := range all[i+1:] {
			if (a.Network == b.Network) == near {
				return a, b
			}
		}
	}
	return nil, nil
}

// primaryOfRemote returns the first cluster whose control plane serves another one; nil
// without such.
func (s *Subject) primaryOfRemote() *member {
	for _, m := range s.members() {
		if p := s.member(m.ControlPlane); !m.Primary() && p != nil {
			return p
		}
	}
	return nil
}

// failed adds the cluster's name and what was done to an error.
func (m *member) failed(err error, what string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %s: %w", m.Name, what, err)
}

// until polls a condition; the error at the end of its time holds the last
// state that was seen.
func (m *member) until(ctx context.Context, what string, condition func(context.Context) (state string, done bool, err error)) error {
	last := ""
	err := wait.PollUntilContextTimeout(ctx, 250*time.Millisecond, settle, true, func(ctx context.Context) (bool, error) {
		state, done, err := condition(ctx)
		if err != nil {
			last = err.Error()
			return false, nil // the API server may be busy; the deadline decides
		}
		last = state
		return done, nil
	})
	if err != nil {
		return fmt.Errorf("%s: %s: %w; last seen: %s", m.Name, what, err, last)
	}
	return nil
}

// only returns the one deployment of a selector.
func (m *member) only(ctx context.Context, selector string) (*appsv1.Deployment, error) {
	list, err := m.Kubernetes.AppsV1().Deployments(system).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, err
	}
	if len(list.Items) != 1 {
		return nil, fmt.Errorf("%s: %d deployments labelled %s in %s, want one", m.Name, len(list.Items), selector, system)
	}
	return &list.Items[0], nil
}

// rolledOut waits until every deployment of a selector runs its latest revision
// and nothing else.
func (m *member) rolledOut(ctx context.Context, namespace, selector string) error {
	return m.until(ctx, "rollout of "+selector, func(ctx context.Context) (string, bool, error) {
		list, err := m.Kubernetes.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return "", false, err
		}
		for _, d := range list.Items {
			if why := mesh.NotRolledOut(&d); why != "" {
				return d.Name + ": " + why, false, nil
			}
		}
		return "all available", true, nil
	})
}

// restart deletes the pods of a selector at once and waits until none of them
// is left; what replaces them is waited for by rolledOut.
func (m *member) restart(ctx context.Context, namespace, selector string) error {
	pods, err := m.Kubernetes.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return err
	}
	for _, p := range pods.Items {
		err := m.Kubernetes.CoreV1().Pods(namespace).Delete(ctx, p.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0)), Preconditions: &metav1.Preconditions{UID: &p.UID}})
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return m.until(ctx, "end of the pods "+selector, func(ctx context.Context) (string, bool, error) {
		for _, p := range pods.Items {
			now, err := m.Kubernetes.CoreV1().Pods(namespace).Get(ctx, p.Name, metav1.GetOptions{})
			if err == nil && now.UID == p.UID {
				return "pod " + p.Name + " is still there", false, nil
			}
			if err != nil && !apierrors.IsNotFound(err) {
				return "", false, err
			}
		}
		return "gone", true, nil
	})
}

// renew replaces the pods of deployments and waits for their successors.
func (m *member) renew(ctx context.Context, namespace, selector string) error {
	if err := m.restart(ctx, namespace, selector); err != nil {
		return err
	}
	return errors.Join(m.rolledOut(ctx, namespace, selector), m.allReady(ctx, namespace, selector))
}

// allReady waits until every pod of a selector is ready: a deployment's status
// lags behind a deletion.
func (m *member) allReady(ctx context.Context, namespace, selector string) error {
	return m.until(ctx, "readiness of the pods "+selector, func(ctx context.Context) (string, bool, error) {
		pods, err := m.Kubernetes.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return "", false, err
		}
		if len(pods.Items) == 0 {
			return "no pods", false, nil
		}
		for _, p := range pods.Items {
			if !mesh.Ready(&p) || p.DeletionTimestamp != nil {
				return "pod " + p.Name + " is not ready", false, nil
			}
		}
		return "ready", true, nil
	})
}
