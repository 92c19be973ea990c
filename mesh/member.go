package mesh

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
)

// Member is a cluster of a running mesh and the connections to it.
type Member struct {
	Cluster
	Kubernetes kubernetes.Interface
	Dynamic    dynamic.Interface
	Streams
}

// Streams are what an API server does by streams to pods; *Client is one, and tests
// have fakes.
type Streams interface {
	HTTP(ctx context.Context, pod Pod, port int, path string) ([]byte, error)
	Certificates(ctx context.Context, pod Pod, port int) ([]*x509.Certificate, error)
	Logs(ctx context.Context, pod Pod, container string, lines int64) ([]byte, error)
	Exec(ctx context.Context, pod Pod, container string, argv []string) (Output, error)
	Stream(ctx context.Context, pod Pod, container string, argv []string, stdout, stderr io.Writer) (code int, err error)
}

// Connect connects to clusters. done, never nil, closes the connections.
func Connect(clusters []Cluster) (members []*Member, done func(), err error) {
	var opened []*Client
	done = func() {
		for _, c := range opened {
			c.Close()
		}
	}
	for _, cluster := range clusters {
		client, err := NewClient(cluster.Config)
		if err != nil {
			return nil, done, fmt.Errorf("cluster %s: %w", cluster.Name, err)
		}
		opened = append(opened, client)
		m, err := client.Member(cluster)
		if err != nil {
			return nil, done, err
		}
		members = append(members, m)
	}
	return members, done, nil
}

// Member is the cluster that the client reaches.
func (c *Client) Member(cluster Cluster) (*Member, error) {
	d, err := dynamic.NewForConfig(c.config)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", cluster.Name, err)
	}
	return &Member{Cluster: cluster, Kubernetes: c.Client, Dynamic: d, Streams: c}, nil
}

// Pods lists the pods of a namespace ("" for all) by label selector.
func (m *Member) Pods(ctx context.Context, namespace, selector string) ([]corev1.Pod, error) {
	list, err := m.Kubernetes.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// Deployments lists the deployments of a namespace ("" for all) by label selector.
func (m *Member) Deployments(ctx context.Context, namespace, selector string) ([]appsv1.Deployment, error) {
	list, err := m.Kubernetes.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// Services lists the services of a namespace ("" for all) by label selector.
func (m *Member) Services(ctx context.Context, namespace, selector string) ([]corev1.Service, error) {
	list, err := m.Kubernetes.CoreV1().Services(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// Service reads one service. A missing one is an IsNotFound error.
func (m *Member) Service(ctx context.Context, namespace, name string) (*corev1.Service, error) {
	return m.Kubernetes.CoreV1().Services(namespace).Get(ctx, name, metav1.GetOptions{})
}

// Nodes lists the cluster's nodes.
func (m *Member) Nodes(ctx context.Context) ([]corev1.Node, error) {
	list, err := m.Kubernetes.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// Events lists the events about the object of that name.
func (m *Member) Events(ctx context.Context, namespace, name string) ([]corev1.Event, error) {
	list, err := m.Kubernetes.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=" + name})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// DeletePod deletes a pod; grace in seconds, nil for the pod's own, 0 for none.
// A missing pod is not an error.
func (m *Member) DeletePod(ctx context.Context, pod Pod, grace *int64) error {
	err := m.Kubernetes.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: grace})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// Servers lists the running pods behind a workload's Service. A missing Service is
// an IsNotFound error.
func (m *Member) Servers(ctx context.Context, w Workload) ([]corev1.Pod, error) {
	svc, err := m.Kubernetes.CoreV1().Services(w.Namespace).Get(ctx, w.Service, metav1.GetOptions{})
	if err != nil || len(svc.Spec.Selector) == 0 {
		return nil, err
	}
	pods, err := m.Pods(ctx, w.Namespace, labels.SelectorFromSet(svc.Spec.Selector).String())
	return Running(pods), err
}

// Homes maps the names of the running pods behind a workload to their clusters. A
// cluster that does not answer is left out.
func Homes(ctx context.Context, members []*Member, w Workload) map[string]Cluster {
	out := map[string]Cluster{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, m := range members {
		wg.Go(func() {
			pods, err := m.Servers(ctx, w)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for _, p := range pods {
				out[p.Name] = m.Cluster
			}
		})
	}
	wg.Wait()
	return out
}

// Running returns the pods that run and are not being deleted.
func Running(pods []corev1.Pod) []corev1.Pod {
	var out []corev1.Pod
	for _, p := range pods {
		if p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp == nil {
			out = append(out, p)
		}
	}
	return out
}

// FirstReady returns the first pod that runs and is ready, or nil.
func FirstReady(pods []corev1.Pod) *corev1.Pod {
	for _, p := range Running(pods) {
		if Ready(&p) {
			return &p
		}
	}
	return nil
}

// Replicas is how many pods a deployment asks for.
func Replicas(d *appsv1.Deployment) int32 {
	if d.Spec.Replicas == nil {
		return 1
	}
	return *d.Spec.Replicas
}

// Ready reports whether a pod's condition Ready is true.
func Ready(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
