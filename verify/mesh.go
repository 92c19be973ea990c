package verify

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/meshwright/meshwright/mesh"
)

// Where Istio lives, and the ports it is asked on.
const (
	systemNamespace  = "istio-system"
	istiodSelector   = "app=istiod"
	ingressSelector  = "istio=ingressgateway"
	eastWestSelector = "istio=eastwestgateway"

	envoyAdminPort  = 15000
	istiodDebugPort = 8080
	istiodXDSPort   = 15012
	istiodStatsPort = 15014
	statusPort      = 15021
	crossPort       = 15443
)

// cluster is what the checks need of one cluster; mesh.Client has it, and
// tests have a fake.
type cluster interface {
	Deployments(ctx context.Context, namespace, selector string) ([]appsv1.Deployment, error)
	Services(ctx context.Context, namespace, selector string) ([]corev1.Service, error)
	Service(ctx context.Context, namespace, name string) (*corev1.Service, error)
	Pods(ctx context.Context, namespace, selector string) ([]corev1.Pod, error)
	Nodes(ctx context.Context) ([]corev1.Node, error)
	Events(ctx context.Context, namespace, name string) ([]corev1.Event, error)
	Logs(ctx context.Context, pod mesh.Pod, container string, lines int64) ([]byte, error)
	HTTP(ctx context.Context, pod mesh.Pod, port int, path string) ([]byte, error)
	Certificates(ctx context.Context, pod mesh.Pod, port int) ([]*x509.Certificate, error)
	Exec(ctx context.Context, pod mesh.Pod, container string, argv []string) (mesh.Output, error)

	// DeletePod is used on pods of a scenario alone. A nil grace is the pod's own.
	DeletePod(ctx context.Context, pod mesh.Pod, grace *int64) error
}

// host is what the checks need of this machine.
type host interface {
	Dial(ctx context.Context, addr string, timeout time.Duration) error
	Get(ctx context.Context, url string, timeout time.Duration) (status int, body string, err error)
}

// member is one cluster of the mesh: the plan and the way in.
type member struct {
	mesh.Cluster
	cluster cluster
}

// primary reports whether the cluster runs its own istiod.
func (m *member) primary() bool { return m.ControlPlane == m.Name }

// session is everything that a check may look at.
type session struct {
	members  []*member
	workload mesh.Workload
	timeouts Timeouts
	host     host

	// For timed checks.
	deployer  mesh.Deployer
	rules     mesh.Rules
	generator generator
	say       func(step string) // hears what a timed check does now; may be nil
}

// each calls f for every member at the same time and waits.
func (m *session) each(f func(*member)) {
	var wg group
	for _, c := range m.members {
		wg.Go(func() { f(c) })
	}
	wg.Wait()
}

func (m *session) member(name string) *member {
	for _, c := range m.members {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// running returns the pods that run and are not on their way out.
func running(pods []corev1.Pod) []corev1.Pod {
	var out []corev1.Pod
	for _, p := range pods {
		if p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp == nil {
			out = append(out, p)
		}
	}
	return out
}

func ready(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// readyPod returns the first ready pod of a selector in the workload's namespace of
// c; that there is none is a finding.
func (m *session) readyPod(ctx context.Context, c *member, selector string) (*corev1.Pod, *Finding) {
	pods, err := c.cluster.Pods(ctx, m.workload.Namespace, selector)
	if err != nil {
		return nil, new(unreachable(c, "", err))
	}
	for _, p := range running(pods) {
		if ready(&p) {
			return &p, nil
		}
	}
	return nil, &Finding{
		Reason: ReasonClientMissing, Cluster: c.Name,
		Message: fmt.Sprintf("no ready pod %s in namespace %s", selector, m.workload.Namespace),
	}
}

// istiods returns the running istiod pods of the control plane that serves c,
// ready or not: a control plane that is not ready is still worth asking.
func (m *session) istiods(ctx context.Context, c *member) (*member, []corev1.Pod, error) {
	plane := m.member(c.ControlPlane)
	pods, err := plane.cluster.Pods(ctx, systemNamespace, istiodSelector)
	if err != nil {
		return plane, nil, err
	}
	return plane, running(pods), nil
}

// servers returns the running pods behind the workload's service in c.
func (m *session) servers(ctx context.Context, c *member) ([]corev1.Pod, error) {
	svc, err := c.cluster.Service(ctx, m.workload.Namespace, m.workload.Service)
	if err != nil {
		return nil, err
	}
	if len(svc.Spec.Selector) == 0 {
		return nil, nil
	}
	pods, err := c.cluster.Pods(ctx, m.workload.Namespace, labels.SelectorFromSet(svc.Spec.Selector).String())
	if err != nil {
		return nil, err
	}
	return running(pods), nil
}

// proxy is an Envoy to be asked.
type proxy struct {
	member *member
	pod    corev1.Pod
	role   role
}

type role string

const (
	roleClient   role = "client"
	roleServer   role = "server"
	roleIngress  role = "ingress gateway"
	roleEastWest role = "east-west gateway"
)

func (p proxy) object() string { return "pod " + p.pod.Namespace + "/" + p.pod.Name }

func (p proxy) admin(ctx context.Context, path string) ([]byte, error) {
	return p.member.cluster.HTTP(ctx, mesh.Ref(&p.pod), envoyAdminPort, path)
}

// proxies lists the running Envoys of c: clients, servers and gateways. Pods
// without a sidecar are left out, except that a client or a server without one
// is no member of the mesh and therefore listed: asking it will fail.
func (m *session) proxies(ctx context.Context, c *member) ([]proxy, error) {
	var out []proxy
	add := func(r role, pods []corev1.Pod) {
		for _, p := range running(pods) {
			out = append(out, proxy{member: c, pod: p, role: r})
		}
	}
	if !m.workload.Empty() {
		pods, err := c.cluster.Pods(ctx, m.workload.Namespace, m.workload.Clients())
		if err != nil {
			return nil, err
		}
		add(roleClient, pods)
		pods, err = m.servers(ctx, c)
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, err
		}
		add(roleServer, pods)
	}
	for r, selector := range map[role]string{roleIngress: ingressSelector, roleEastWest: eastWestSelector} {
		pods, err := c.cluster.Pods(ctx, "", selector)
		if err != nil {
			return nil, err
		}
		add(r, pods)
	}
	return out, nil
}

// unreachable turns an error of the API server, or of a stream through it,
// into a finding.
func unreachable(c *member, object string, err error) Finding {
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
