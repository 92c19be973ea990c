package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/meshwright/meshwright/mesh"
)

const (
	system       = "istio-system"
	istiodLabel  = "app=istiod"
	eastWest     = "istio=eastwestgateway"
	anyGateway   = "istio in (ingressgateway,eastwestgateway)"
	networkLabel = "topology.istio.io/network"
)

// settle bounds every wait for an object to become as it was asked to be.
const settle = 2 * time.Minute

// lab is a mesh with a part for two of its clusters: what is broken is broken
// in the victim; the witness is the other side that notices.
type lab struct {
	sites           []*site // all, in the order of the targets
	victim, witness *site
	workload        mesh.Workload
	nodeExec        NodeExec
}

// site is one cluster.
type site struct {
	mesh.Cluster
	client  kubernetes.Interface
	dynamic dynamic.Interface
}

func newLab(targets []mesh.Cluster, w mesh.Workload) (*lab, error) {
	l := &lab{workload: w}
	for _, t := range targets {
		client, err := kubernetes.NewForConfig(t.Config)
		if err != nil {
			return nil, fmt.Errorf("cluster %s: %w", t.Name, err)
		}
		dyn, err := dynamic.NewForConfig(t.Config)
		if err != nil {
			return nil, fmt.Errorf("cluster %s: %w", t.Name, err)
		}
		s := &site{Cluster: t, client: client, dynamic: dyn}
		l.sites = append(l.sites, s)
		switch {
		case t.ControlPlane != t.Name:
		case l.witness == nil:
			l.witness = s
		case l.victim == nil:
			l.victim = s
		}
	}
	return l, nil
}

// pair returns two clusters that share a network, or that do not; nil without such.
func (l *lab) pair(near bool) (a, b *site) {
	for i, a := range l.sites {
		for _, b := range l.sites[i+1:] {
			if (a.Network == b.Network) == near {
				return a, b
			}
		}
	}
	return nil, nil
}

// remote returns the first cluster under another's control plane, and that one; nil
// without such.
func (l *lab) remote() (remote, primary *site) {
	for _, r := range l.sites {
		for _, p := range l.sites {
			if r.ControlPlane == p.Name && r != p {
				return r, p
			}
		}
	}
	return nil, nil
}

// until polls a condition and names it when its time is over, with the last
// state that was seen.
func (s *site) until(ctx context.Context, what string, condition func(context.Context) (state string, done bool, err error)) error {
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
		return fmt.Errorf("%s: %s: %w; last seen: %s", s.Name, what, err, last)
	}
	return nil
}

// only returns the one deployment of a selector.
func (s *site) only(ctx context.Context, selector string) (*appsv1.Deployment, error) {
	list, err := s.client.AppsV1().Deployments(system).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, err
	}
	if len(list.Items) != 1 {
		return nil, fmt.Errorf("%s: %d deployments labelled %s in %s, want one", s.Name, len(list.Items), selector, system)
	}
	return &list.Items[0], nil
}

// rolledOut waits until every deployment of a selector runs its latest form
// and nothing else.
func (s *site) rolledOut(ctx context.Context, namespace, selector string) error {
	return s.until(ctx, "roll-out of "+selector, func(ctx context.Context) (string, bool, error) {
		list, err := s.client.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return "", false, err
		}
		for _, d := range list.Items {
			want := int32(1)
			if d.Spec.Replicas != nil {
				want = *d.Spec.Replicas
			}
			st := d.Status
			if st.ObservedGeneration < d.Generation || st.UpdatedReplicas != want || st.AvailableReplicas != want || st.Replicas != want {
				return fmt.Sprintf("%s: %d of %d available, %d updated, %d in all", d.Name, st.AvailableReplicas, want, st.UpdatedReplicas, st.Replicas), false, nil
			}
		}
		return "all available", true, nil
	})
}

// restart deletes the pods of a selector at once and waits until none of them
// is left; what replaces them is waited for by rolledOut.
func (s *site) restart(ctx context.Context, namespace, selector string) error {
	pods, err := s.client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return err
	}
	for _, p := range pods.Items {
		err := s.client.CoreV1().Pods(namespace).Delete(ctx, p.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0)), Preconditions: &metav1.Preconditions{UID: &p.UID}})
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return s.until(ctx, "end of the pods "+selector, func(ctx context.Context) (string, bool, error) {
		for _, p := range pods.Items {
			now, err := s.client.CoreV1().Pods(namespace).Get(ctx, p.Name, metav1.GetOptions{})
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
func (s *site) renew(ctx context.Context, namespace, selector string) error {
	if err := s.restart(ctx, namespace, selector); err != nil {
		return err
	}
	return errors.Join(s.rolledOut(ctx, namespace, selector), s.allReady(ctx, namespace, selector))
}

// allReady waits until every pod of a selector is ready: a deployment's status
// lags behind a deletion.
func (s *site) allReady(ctx context.Context, namespace, selector string) error {
	return s.until(ctx, "readiness of the pods "+selector, func(ctx context.Context) (string, bool, error) {
		pods, err := s.client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return "", false, err
		}
		if len(pods.Items) == 0 {
			return "no pods", false, nil
		}
		for _, p := range pods.Items {
			if !ready(&p) || p.DeletionTimestamp != nil {
				return "pod " + p.Name + " is not ready", false, nil
			}
		}
		return "ready", true, nil
	})
}

func ready(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}
