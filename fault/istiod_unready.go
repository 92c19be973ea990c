package fault

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"

	"github.com/meshwright/meshwright/mesh"
)

// istiodUnready points istiod's readiness probe at a path that it does not serve.
// Recreate makes the old pod go first; with a rolling update it would stay in service.
var istiodUnready = Fault{
	Name:  "istiod-unready",
	Title: "a cluster's istiod runs, but is never ready",
	Needs: []Need{TwoPrimaries},
	at:    (*Subject).victim,
	steps: remembering[readiness]{
		Was: func(ctx context.Context, _ *Subject, at *member) (readiness, []string, error) {
			d, err := at.only(ctx, istiodLabel)
			if err != nil {
				return readiness{}, nil, err
			}
			probe := d.Spec.Template.Spec.Containers[0].ReadinessProbe
			if probe == nil || probe.HTTPGet == nil {
				return readiness{}, nil, fmt.Errorf("%s: istiod has no readiness probe by HTTP", at.Name)
			}
			return readiness{d.Spec.Strategy, probe}, []string{"deployment " + system + "/" + d.Name}, nil
		},
		Inject: func(ctx context.Context, _ *Subject, at *member, was readiness) error {
			was.Probe.HTTPGet.Path = "/never-ready"
			was.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
			if err := at.setReadiness(ctx, was); err != nil {
				return err
			}
			return at.unready(ctx)
		},
		Restore: func(ctx context.Context, _ *Subject, at *member, was readiness) error {
			if err := at.setReadiness(ctx, was); err != nil {
				return err
			}
			// The rolling update waits for the pod that is never ready no longer
			// than its grace; it serves nobody.
			return at.rolledOut(ctx, system, istiodLabel)
		},
	},
}

// readiness is how istiod becomes ready, and how a new one replaces the old.
type readiness struct {
	Strategy appsv1.DeploymentStrategy `json:"strategy"`
	Probe    *corev1.Probe             `json:"probe"`
}

func (m *member) setReadiness(ctx context.Context, to readiness) error {
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		d, err := m.only(ctx, istiodLabel)
		if err != nil {
			return err
		}
		d.Spec.Strategy = to.Strategy
		d.Spec.Template.Spec.Containers[0].ReadinessProbe = to.Probe
		_, err = m.Kubernetes.AppsV1().Deployments(system).Update(ctx, d, metav1.UpdateOptions{})
		return err
	})
	return m.failed(err, "istiod's readiness probe")
}

// unready waits until no istiod of the cluster is ready and one runs.
func (m *member) unready(ctx context.Context) error {
	return m.until(ctx, "an istiod that runs and is not ready", func(ctx context.Context) (string, bool, error) {
		pods, err := m.Pods(ctx, system, istiodLabel)
		if err != nil {
			return "", false, err
		}
		running := 0
		for _, p := range pods {
			if mesh.Ready(&p) {
				return "pod " + p.Name + " is ready", false, nil
			}
			for _, c := range p.Status.ContainerStatuses {
				if c.State.Running != nil && p.DeletionTimestamp == nil {
					running++
				}
			}
		}
		return fmt.Sprintf("%d running", running), running == 1 && len(pods) == 1, nil
	})
}
