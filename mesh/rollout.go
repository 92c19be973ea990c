package mesh

import (
	"context"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NotRolledOut says why a deployment does not run its latest revision and nothing else,
// or "".
func NotRolledOut(d *appsv1.Deployment) string {
	want, st := Replicas(d), d.Status
	if st.ObservedGeneration < d.Generation || st.UpdatedReplicas != want || st.AvailableReplicas != want || st.Replicas != want {
		return fmt.Sprintf("%d of %d available, %d updated, %d in all", st.AvailableReplicas, want, st.UpdatedReplicas, st.Replicas)
	}
	return ""
}

// Rollout is NotRolledOut with what the first pod waits for that is not ready.
func (m *Member) Rollout(ctx context.Context, d *appsv1.Deployment) string {
	why := NotRolledOut(d)
	if why == "" {
		return ""
	}
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse {
			why += "; " + strings.TrimSuffix(c.Message, ".")
		}
	}
	return why + m.Waiting(ctx, d.Namespace, d.Spec.Selector)
}

// Waiting says what the first pod of a selector waits for that is not ready, as
// "; pod NAME: …", or "".
func (m *Member) Waiting(ctx context.Context, namespace string, selector *metav1.LabelSelector) string {
	if selector == nil {
		return ""
	}
	pods, err := m.Pods(ctx, namespace, metav1.FormatLabelSelector(selector))
	if err != nil {
		return ""
	}
	for _, p := range pods {
		if why := NotReady(&p); why != "" && p.DeletionTimestamp == nil {
			return fmt.Sprintf("; pod %s: %s", p.Name, why)
		}
	}
	return ""
}

// NotEverywhere says why a daemon set does not run its latest revision on every node
// that it is for, or "".
func NotEverywhere(d *appsv1.DaemonSet) string {
	want, st := d.Status.DesiredNumberScheduled, d.Status
	if st.ObservedGeneration < d.Generation || st.UpdatedNumberScheduled != want || st.NumberAvailable != want {
		return fmt.Sprintf("available on %d of %d nodes, updated on %d", st.NumberAvailable, want, st.UpdatedNumberScheduled)
	}
	return ""
}

// NotReady says what keeps a pod from being ready, in the kubelet's or the scheduler's
// words, or "".
func NotReady(p *corev1.Pod) string {
	if Ready(p) {
		return ""
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return c.Reason + ": " + c.Message
		}
	}
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for _, s := range list {
			switch {
			case s.State.Waiting != nil && s.State.Waiting.Message != "":
				return fmt.Sprintf("container %s: %s: %s", s.Name, s.State.Waiting.Reason, s.State.Waiting.Message)
			case s.State.Waiting != nil && s.State.Waiting.Reason != "PodInitializing":
				return fmt.Sprintf("container %s: %s", s.Name, s.State.Waiting.Reason)
			case s.State.Running != nil && !s.Ready && s.Started != nil && *s.Started:
				return fmt.Sprintf("container %s: running, not ready", s.Name)
			}
		}
	}
	return string(p.Status.Phase)
}
