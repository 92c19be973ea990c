package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/retry"

	"github.com/meshwright/meshwright/mesh"
)

type repair = func(context.Context) error

// wrongNetworkLabel makes istiod take the victim's server pods for neighbours
// of the witness. The label is the pods': injection sets it there, where it
// overrules the one of namespace istio-system.
func wrongNetworkLabel(ctx context.Context, l *lab) (repair, error) {
	pods := l.victim.client.CoreV1().Pods(l.workload.Namespace)
	label := func(ctx context.Context, network string) error {
		svc, err := l.victim.client.CoreV1().Services(l.workload.Namespace).Get(ctx, l.workload.Service, metav1.GetOptions{})
		if err != nil {
			return err
		}
		list, err := pods.List(ctx, metav1.ListOptions{LabelSelector: labels.SelectorFromSet(svc.Spec.Selector).String()})
		if err != nil {
			return err
		}
		if len(list.Items) == 0 {
			return fmt.Errorf("%s: no pods of %s", l.victim.Name, l.workload.Service)
		}
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": map[string]string{networkLabel: network}}})
		if err != nil {
			return err
		}
		for _, p := range list.Items {
			if _, err := pods.Patch(ctx, p.Name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil && !apierrors.IsNotFound(err) {
				return err
			}
		}
		return nil
	}
	undo := func(ctx context.Context) error { return label(ctx, l.victim.Network) }
	return undo, label(ctx, l.witness.Network)
}

// remoteSecretLoopback gives the witness's istiod the API server's address as
// kind prints it for the host. The secret is made anew, as by someone who sets
// the mesh up that way; a changed secret would leave the old connection in use
// until the new one works.
func remoteSecretLoopback(ctx context.Context, l *lab) (repair, error) {
	secrets := l.witness.client.CoreV1().Secrets(system)
	name := "istio-remote-secret-" + l.victim.Name
	good, err := secrets.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.witness.Name, err)
	}
	kubeconfig, err := clientcmd.Load(good.Data[l.victim.Name])
	if err != nil {
		return nil, fmt.Errorf("%s: secret %s: %w", l.witness.Name, name, err)
	}
	for _, c := range kubeconfig.Clusters {
		c.Server = "https://127.0.0.1:6443"
	}
	text, err := clientcmd.Write(*kubeconfig)
	if err != nil {
		return nil, err
	}
	replace := func(ctx context.Context, data []byte) error {
		err := secrets.Delete(ctx, name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
		// An istiod that saw both changes at once would take them for one
		// update and serve what it knew before.
		if err := l.witness.knows(ctx, l.victim.Name, ""); err != nil {
			return err
		}
		_, err = secrets.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: system, Labels: good.Labels, Annotations: good.Annotations},
			Type:       good.Type,
			Data:       map[string][]byte{l.victim.Name: data},
		}, metav1.CreateOptions{})
		return err
	}
	undo := func(ctx context.Context) error {
		if err := replace(ctx, good.Data[l.victim.Name]); err != nil {
			return err
		}
		// Now and then istiod does not get over a remote that it never reached
		// (istio/istio#58047): the mend is then to restart it.
		soon, cancel := context.WithTimeout(ctx, reconnectWithin)
		defer cancel()
		if err := l.witness.knows(soon, l.victim.Name, "synced"); err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		return l.witness.renew(ctx, system, istiodLabel)
	}
	return undo, replace(ctx, text)
}

// reconnectWithin is how long an istiod may take to connect to a remote whose
// secret has been mended, before it is restarted.
const reconnectWithin = 20 * time.Second

// knows waits until every istiod of the site has that cluster in that state of
// synchronisation; "" is that of a cluster which it does not watch.
func (s *site) knows(ctx context.Context, cluster, state string) error {
	c, err := mesh.NewClient(s.Config)
	if err != nil {
		return err
	}
	defer c.Close()
	return s.until(ctx, fmt.Sprintf("cluster %s in state %q", cluster, state), func(ctx context.Context) (string, bool, error) {
		pods, err := c.Pods(ctx, system, istiodLabel)
		if err != nil {
			return "", false, err
		}
		for i := range pods {
			text, err := c.HTTP(ctx, mesh.Ref(&pods[i]), 8080, "/debug/clusterz")
			if err != nil {
				return "", false, err
			}
			var known []struct {
				ID     string `json:"id"`
				Status string `json:"syncStatus"`
			}
			if err := json.Unmarshal(text, &known); err != nil {
				return "", false, err
			}
			is := ""
			for _, k := range known {
				if k.ID == cluster {
					is = k.Status
				}
			}
			if is != state {
				return fmt.Sprintf("it is in state %q", is), false, nil
			}
		}
		return "", true, nil
	})
}

// anotherRoot makes the victim's control plane sign with an intermediate of
// another root, and gives its proxies certificates of it.
func anotherRoot(ctx context.Context, l *lab) (repair, error) {
	good, err := l.victim.client.CoreV1().Secrets(system).Get(ctx, "cacerts", metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.victim.Name, err)
	}
	bad, err := strangerCA()
	if err != nil {
		return nil, err
	}
	undo := func(ctx context.Context) error { return l.victim.signWith(ctx, l, good.Data) }
	return undo, l.victim.signWith(ctx, l, bad)
}

// signWith replaces the CA of a control plane and renews everything that holds
// a certificate of the old one.
func (s *site) signWith(ctx context.Context, l *lab, data map[string][]byte) error {
	secrets := s.client.CoreV1().Secrets(system)
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		secret, err := secrets.Get(ctx, "cacerts", metav1.GetOptions{})
		if err != nil {
			return err
		}
		secret.Data = data
		_, err = secrets.Update(ctx, secret, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: secret cacerts: %w", s.Name, err)
	}
	if err := s.renew(ctx, system, istiodLabel); err != nil {
		return err
	}
	// A proxy verifies istiod by this map, which istiod writes after it starts.
	root := strings.TrimSpace(string(data["root-cert.pem"]))
	for _, namespace := range []string{system, l.workload.Namespace} {
		err := s.until(ctx, "new root in configmap "+namespace+"/istio-ca-root-cert", func(ctx context.Context) (string, bool, error) {
			m, err := s.client.CoreV1().ConfigMaps(namespace).Get(ctx, "istio-ca-root-cert", metav1.GetOptions{})
			if err != nil {
				return "", false, err
			}
			return "the old root", strings.TrimSpace(m.Data["root-cert.pem"]) == root, nil
		})
		if err != nil {
			return err
		}
	}
	return errors.Join(
		s.restart(ctx, l.workload.Namespace, ""),
		s.restart(ctx, system, anyGateway),
		s.rolledOut(ctx, l.workload.Namespace, ""),
		s.rolledOut(ctx, system, anyGateway),
		s.allReady(ctx, l.workload.Namespace, ""),
		s.allReady(ctx, system, anyGateway),
	)
}

// eastWestGone takes the east-west gateway of another network away; its Service
// keeps the address.
func eastWestGone(ctx context.Context, l *lab) (repair, error) {
	_, victim := l.pair(false)
	d, err := victim.only(ctx, eastWest)
	if err != nil {
		return nil, err
	}
	replicas := int32(1)
	if d.Spec.Replicas != nil {
		replicas = *d.Spec.Replicas
	}
	scale := func(ctx context.Context, n int32) error {
		patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, n)
		_, err := victim.client.AppsV1().Deployments(system).Patch(ctx, d.Name, types.MergePatchType, patch, metav1.PatchOptions{})
		return err
	}
	undo := func(ctx context.Context) error {
		return errors.Join(scale(ctx, replicas), victim.rolledOut(ctx, system, eastWest))
	}
	if err := scale(ctx, 0); err != nil {
		return undo, err
	}
	// Force the pod's end: its grace would only drain connections for longer.
	return undo, victim.restart(ctx, system, eastWest)
}

var gateways = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "gateways"}

// crossNetworkDeleted closes port 15443 of the victim.
func crossNetworkDeleted(ctx context.Context, l *lab) (repair, error) {
	return l.victim.deleteGateway(ctx, func(_ int64, mode string) bool { return mode == "AUTO_PASSTHROUGH" })
}

// discoveryPort is where remotes find the istiod of their primary.
const discoveryPort = 15012

// istiodHidden closes the ports by which a primary serves its remotes.
func istiodHidden(ctx context.Context, l *lab) (repair, error) {
	_, primary := l.remote()
	return primary.deleteGateway(ctx, func(port int64, _ string) bool { return port == discoveryPort })
}

// deleteGateway deletes the Gateway object of the site with such a server, and renews
// the east-west gateway, whose ports it opened: connections made before would live on
// while the old listener drains.
func (s *site) deleteGateway(ctx context.Context, is func(port int64, mode string) bool) (repair, error) {
	g, err := s.gateway(ctx, is)
	if err != nil {
		return nil, err
	}
	objects := s.dynamic.Resource(gateways).Namespace(g.GetNamespace())
	good := g.DeepCopy()
	undo := func(ctx context.Context) error {
		fresh := good.DeepCopy()
		fresh.SetResourceVersion("")
		fresh.SetUID("")
		fresh.SetManagedFields(nil)
		_, err := objects.Create(ctx, fresh, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return err
	}
	if err := objects.Delete(ctx, g.GetName(), metav1.DeleteOptions{}); err != nil {
		return nil, fmt.Errorf("%s: gateway %s: %w", s.Name, g.GetName(), err)
	}
	return undo, s.renew(ctx, system, eastWest)
}

// gateway finds the Gateway object that has a server of that port and TLS mode.
func (s *site) gateway(ctx context.Context, is func(port int64, mode string) bool) (*unstructured.Unstructured, error) {
	list, err := s.dynamic.Resource(gateways).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("%s: gateways: %w", s.Name, err)
	}
	for i := range list.Items {
		servers, _, err := unstructured.NestedSlice(list.Items[i].Object, "spec", "servers")
		if err != nil {
			return nil, err
		}
		for _, server := range servers {
			m, ok := server.(map[string]any)
			if !ok {
				continue
			}
			port, _, perr := unstructured.NestedInt64(m, "port", "number")
			mode, _, merr := unstructured.NestedString(m, "tls", "mode")
			if perr == nil && merr == nil && is(port, mode) {
				return &list.Items[i], nil
			}
		}
	}
	return nil, fmt.Errorf("%s: none of %d Gateways has the ports to close", s.Name, len(list.Items))
}

// istiodUnready points istiod's readiness probe at a path that it does not
// serve. Recreate makes the old pod go first; with a rolling update it would
// stay in service.
func istiodUnready(ctx context.Context, l *lab) (repair, error) {
	good, err := l.victim.only(ctx, istiodLabel)
	if err != nil {
		return nil, err
	}
	probe := good.Spec.Template.Spec.Containers[0].ReadinessProbe
	if probe == nil || probe.HTTPGet == nil {
		return nil, fmt.Errorf("%s: istiod has no readiness probe by HTTP", l.victim.Name)
	}
	change := func(ctx context.Context, f func(*appsv1.Deployment)) error {
		return retry.RetryOnConflict(retry.DefaultRetry, func() error {
			d, err := l.victim.only(ctx, istiodLabel)
			if err != nil {
				return err
			}
			f(d)
			_, err = l.victim.client.AppsV1().Deployments(system).Update(ctx, d, metav1.UpdateOptions{})
			return err
		})
	}
	undo := func(ctx context.Context) error {
		err := change(ctx, func(d *appsv1.Deployment) {
			d.Spec.Strategy = good.Spec.Strategy
			d.Spec.Template.Spec.Containers[0].ReadinessProbe = probe.DeepCopy()
		})
		if err != nil {
			return err
		}
		// The rolling update waits for the pod that is never ready no longer
		// than its grace; it serves nobody.
		return l.victim.rolledOut(ctx, system, istiodLabel)
	}
	err = change(ctx, func(d *appsv1.Deployment) {
		d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
		d.Spec.Template.Spec.Containers[0].ReadinessProbe.HTTPGet.Path = "/never-ready"
	})
	if err != nil {
		return undo, err
	}
	return undo, l.victim.unready(ctx)
}

// unready waits until no istiod of the site is ready and one runs.
func (s *site) unready(ctx context.Context) error {
	return s.until(ctx, "an istiod that runs and is not ready", func(ctx context.Context) (string, bool, error) {
		pods, err := s.client.CoreV1().Pods(system).List(ctx, metav1.ListOptions{LabelSelector: istiodLabel})
		if err != nil {
			return "", false, err
		}
		running := 0
		for _, p := range pods.Items {
			if ready(&p) {
				return "pod " + p.Name + " is ready", false, nil
			}
			for _, c := range p.Status.ContainerStatuses {
				if c.State.Running != nil && p.DeletionTimestamp == nil {
					running++
				}
			}
		}
		return fmt.Sprintf("%d running", running), running == 1 && len(pods.Items) == 1, nil
	})
}
