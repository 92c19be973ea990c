package fault

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/meshwright/meshwright/mesh"
)

// remoteSecretLoopback gives the witness's istiod the address of the victim's API
// server as kind prints it for the host. The secret is recreated, as by someone who
// sets the mesh up that way; after a change istiod would use the old connection until
// the new one works.
var remoteSecretLoopback = Fault{
	Name:  "remote-secret-loopback",
	Title: "a remote secret points at 127.0.0.1",
	Needs: []Need{TwoPrimaries},
	at:    (*Subject).witness,
	steps: remembering[*corev1.Secret]{
		Was: func(ctx context.Context, s *Subject, at *member) (*corev1.Secret, []string, error) {
			secret, err := at.Kubernetes.CoreV1().Secrets(system).Get(ctx, "istio-remote-secret-"+s.victim().Name, metav1.GetOptions{})
			if err != nil {
				return nil, nil, at.failed(err, "remote secret")
			}
			return &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Name: secret.Name, Namespace: system, Labels: secret.Labels, Annotations: secret.Annotations},
				Type:       secret.Type, Data: secret.Data,
			}, []string{"secret " + system + "/" + secret.Name}, nil
		},
		Inject: func(ctx context.Context, _ *Subject, at *member, secret *corev1.Secret) error {
			for cluster, text := range secret.Data {
				kubeconfig, err := clientcmd.Load(text)
				if err != nil {
					return at.failed(err, "secret "+secret.Name)
				}
				for _, c := range kubeconfig.Clusters {
					c.Server = "https://127.0.0.1:6443"
				}
				if secret.Data[cluster], err = clientcmd.Write(*kubeconfig); err != nil {
					return err
				}
			}
			return at.recreateRemoteSecret(ctx, secret)
		},
		Restore: func(ctx context.Context, _ *Subject, at *member, secret *corev1.Secret) error {
			if err := at.recreateRemoteSecret(ctx, secret); err != nil {
				return err
			}
			// Sometimes istiod does not recover from a remote that it never reached
			// (istio/istio#58047); the remedy is to restart it.
			soon, cancel := context.WithTimeout(ctx, reconnectWithin)
			defer cancel()
			if err := at.knows(soon, secret, "synced"); err == nil || ctx.Err() != nil {
				return ctx.Err()
			}
			return at.renew(ctx, system, istiodLabel)
		},
	},
}

// reconnectWithin is how long an istiod may take to connect to a remote whose
// secret has been restored, before it is restarted.
const reconnectWithin = 20 * time.Second

func (m *member) recreateRemoteSecret(ctx context.Context, secret *corev1.Secret) error {
	secrets := m.Kubernetes.CoreV1().Secrets(system)
	err := secrets.Delete(ctx, secret.Name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return m.failed(err, "secret "+secret.Name)
	}
	// An istiod that saw both changes at once would treat them as one update and
	// serve what it knew before.
	if err := m.knows(ctx, secret, ""); err != nil {
		return err
	}
	_, err = secrets.Create(ctx, secret, metav1.CreateOptions{})
	return m.failed(err, "secret "+secret.Name)
}

// knows waits until every istiod of the cluster has the clusters of a remote secret in
// that state of synchronisation; "" is that of a cluster which it does not watch.
func (m *member) knows(ctx context.Context, secret *corev1.Secret, state string) error {
	return m.until(ctx, fmt.Sprintf("clusters of secret %s in state %q", secret.Name, state), func(ctx context.Context) (string, bool, error) {
		pods, err := m.Pods(ctx, system, istiodLabel)
		if err != nil {
			return "", false, err
		}
		for i := range pods {
			text, err := m.HTTP(ctx, mesh.Ref(&pods[i]), mesh.IstiodDebugPort, "/debug/clusterz")
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
			is := map[string]string{}
			for _, k := range known {
				is[k.ID] = k.Status
			}
			for cluster := range secret.Data {
				if is[cluster] != state {
					return fmt.Sprintf("cluster %s is in state %q", cluster, is[cluster]), false, nil
				}
			}
		}
		return "", true, nil
	})
}
