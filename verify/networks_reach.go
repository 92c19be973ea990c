package verify

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/meshwright/meshwright/load/call"
	"github.com/meshwright/meshwright/mesh"
)

// Reach is one attempt to connect to a pod by its own address.
type Reach struct {
	From    string `json:"from"` // the client's cluster
	To      string `json:"to"`   // the pod's; the same cluster for a positive control
	Pod     string `json:"pod"`
	Address string `json:"address"`
	Near    bool   `json:"near"` // one network: it must succeed
	// Way is "direct": past the client's proxy; or "proxy": through it, where
	// there is no command that could go past it.
	Way       string `json:"way"`
	Connected bool   `json:"connected"`
	Answer    string `json:"answer,omitempty"` // the pod that answered, where it says its name
	Detail    string `json:"detail"`
}

// landing is a pod that listens, for connections to end in.
type landing struct {
	pod  corev1.Pod
	port int
	path string
	// names says that its answer tells which pod it came from.
	names bool
	// serverPort is the port of the workload's pods, whether or not one is here.
	serverPort int
}

func (l landing) address() string {
	return net.JoinHostPort(l.pod.Status.PodIP, strconv.Itoa(l.port))
}

// landing is a ready server of the workload, else the ingress gateway's status
// port. The pod's name is empty when there is neither.
func (m *session) landing(ctx context.Context, p *place) (landing, error) {
	l := landing{serverPort: m.workload.Port}
	svc, err := p.Service(ctx, m.workload.Namespace, m.workload.Service)
	if err != nil && !apierrors.IsNotFound(err) {
		return l, err
	}
	isReady := func(pod corev1.Pod) bool { return mesh.Ready(&pod) }
	i := slices.IndexFunc(p.servers, isReady)
	if err == nil {
		for _, port := range svc.Spec.Ports {
			if int(port.Port) != m.workload.Port {
				continue
			}
			switch {
			case port.TargetPort.Type == intstr.Int && port.TargetPort.IntVal > 0:
				l.serverPort = int(port.TargetPort.IntVal)
			case port.TargetPort.Type == intstr.String && i >= 0:
				l.serverPort = namedPort(&p.servers[i], port.TargetPort.StrVal, l.serverPort)
			}
		}
	}
	if i >= 0 {
		l.pod, l.port, l.path, l.names = p.servers[i], l.serverPort, m.workload.Path, true
		return l, nil
	}
	pods, err := p.Pods(ctx, "", mesh.IngressSelector)
	if err != nil {
		return l, err
	}
	pods = mesh.Running(pods)
	if i := slices.IndexFunc(pods, isReady); i >= 0 {
		l.pod, l.port, l.path = pods[i], mesh.StatusPort, "/healthz/ready"
	}
	return l, nil
}

func namedPort(p *corev1.Pod, name string, otherwise int) int {
	for _, c := range p.Spec.Containers {
		for _, port := range c.Ports {
			if port.Name == name {
				return int(port.ContainerPort)
			}
		}
	}
	return otherwise
}

// reaches connects every cluster's client to every cluster's landing, its own
// included: that one is the positive control, of the client as one that can
// connect and of the landing as one that answers its neighbours.
func (m *session) reaches(ctx context.Context, places []*place, out *outcome) []Reach {
	results := make([]Reach, len(places)*len(places))
	failed := make([]bool, len(results))
	var wg group
	for i, from := range places {
		for j, to := range places {
			wg.Go(func() {
				at := i*len(places) + j
				r, f := m.connect(ctx, from, to)
				if f != nil {
					out.add(*f)
					failed[at] = true
				}
				results[at] = r
			})
		}
	}
	wg.Wait()
	control := map[string]bool{}
	list := []Reach{}
	for i, r := range results {
		if !failed[i] {
			list = append(list, r)
		}
		if r.From != r.To || failed[i] {
			continue
		}
		if control[r.From] = r.Connected; !r.Connected {
			out.add(Finding{
				Reason: ReasonControlFailed, Cluster: r.From, Object: "client pod",
				Message: fmt.Sprintf("cannot connect to pod %s at %s of its own cluster (%s), so that a failure elsewhere proves nothing", r.Pod, r.Address, r.Detail),
			}, reachEvidence(places[0].Member, list))
		}
	}
	for i, from := range places {
		for j, to := range places {
			at := i*len(places) + j
			if i == j || failed[at] || !control[from.Name] || !control[to.Name] {
				continue
			}
			m.judgeReach(ctx, from, to, results[at], results[j*len(places)+j], reachEvidence(from.Member, list), out)
		}
	}
	return list
}

// judgeReach decides about one attempt by what the same pod said to its
// neighbour, the control.
func (m *session) judgeReach(ctx context.Context, from, to *place, r, control Reach, evidence gather, out *outcome) {
	report := func(reason Reason, format string, args ...any) {
		out.add(Finding{Reason: reason, Cluster: from.Name, Object: "client pod", Message: fmt.Sprintf(format, args...)}, evidence)
	}
	// An answer that is not the pod's is somebody else's: on the way out of many
	// machines a proxy answers for every address that it does not know.
	another := r.Answer != "" && r.Answer != r.Pod ||
		r.Way == "direct" && r.answered() && control.answered() && (r.Answer != control.Answer || r.Detail != control.Detail)
	switch {
	case r.Near && !r.Connected:
		report(ReasonPodUnreachable, "cannot connect to pod %s of %s at %s, on the same network %s: %s", r.Pod, to.Name, r.Address, to.Network, r.Detail)
	case r.Near && another:
		report(ReasonPodUnreachable, "at the address %s of pod %s of %s another pod answers: %s", r.Address, r.Pod, to.Name, r.Answer)
	case r.Near || !r.Connected || another:
	case r.Answer == r.Pod:
		report(ReasonNotIsolated, "connects to pod %s of %s at %s, though %s is another network than %s", r.Pod, to.Name, r.Address, to.Network, from.Network)
	case !hasPod(ctx, from.Member, to.landing.pod.Status.PodIP):
		// On two networks one address may be two pods; here it is none of ours.
		report(ReasonNotIsolated, "connects to %s, the address of pod %s of %s on another network, and nothing tells who answered: %s", r.Address, r.Pod, to.Name, r.Detail)
	}
}

// answered reports whether there was an answer in HTTP, from any server.
func (r Reach) answered() bool { return strings.HasPrefix(r.Detail, statusDetail) }

const statusDetail = "status "

// hasPod reports whether a pod of the cluster has that address.
func hasPod(ctx context.Context, c *mesh.Member, ip string) bool {
	pods, err := c.Pods(ctx, "", "")
	return err == nil && slices.ContainsFunc(pods, func(p corev1.Pod) bool { return p.Status.PodIP == ip })
}

// connect tries one connection, from the client's proxy container: what its user
// sends is not captured (istio-iptables returns uid 1337 in ISTIO_OUTPUT), while
// the proxy would accept the application's connection itself, wherever it goes.
func (m *session) connect(ctx context.Context, from, to *place) (Reach, *Finding) {
	l := to.landing
	r := Reach{
		From: from.Name, To: to.Name, Pod: l.pod.Name, Address: l.address(),
		Near: from.Network == to.Network, Way: "direct",
	}
	url := "http://" + l.address() + l.path
	client := mesh.Ref(&from.client)
	got, err := from.Exec(ctx, client, mesh.Sidecar, connectWith(url, m.timeouts.Dial, m.timeouts.Dial+time.Second))
	judge := connected
	if mesh.NoCommand(got, err) {
		r.Way, judge = "proxy", connectedByProxy
		got, err = from.Exec(ctx, client, mesh.AppContainer(&from.client), connectWith(url, m.timeouts.Dial, proxyConnect))
	}
	if err != nil {
		return r, new(unreachable(from.Member, "pod "+client.String(), err))
	}
	if r.Connected, r.Detail, err = judge(got); err != nil {
		return r, &Finding{
			Reason: ReasonProbeFailed, Cluster: from.Name, Object: "pod " + client.String(),
			Message: fmt.Sprintf("connecting to %s: %v", r.Address, err),
		}
	}
	if l.names && r.Connected {
		_, r.Answer = call.ParseAnswer(string(got.Stdout))
	}
	return r, nil
}

// proxyConnect is longer than the ten seconds after which a proxy gives up
// connecting by default.
const proxyConnect = 11 * time.Second

// connectWith is a curl command that makes one request and says how far it came,
// in terms that every curl of the last ten years knows.
func connectWith(url string, connect, whole time.Duration) []string {
	return []string{
		"curl", "-sS", "--noproxy", "*", "--connect-timeout", call.Seconds(connect), "--max-time", call.Seconds(whole),
		"-w", `\n#connect %{time_connect} %{http_code}\n`, url,
	}
}

// curlError says how a curl ended that has proven nothing.
func curlError(o mesh.Output) error {
	return fmt.Errorf("curl ended with code %d: %s", o.Code, strings.TrimSpace(excerpt(string(o.Stderr))))
}

var connectLine = regexp.MustCompile(`#connect ([0-9.]+) ([0-9]+)`)

// Exit codes of curl that mean that no connection came about.
const (
	curlNoConnection = 7  // refused, unreachable, no route
	curlTimedOut     = 28 // in any phase
)

// connected reads the result of connectWith. A refusal, an unreachable network
// and silence are all "not connected": that the same pod answers its neighbours
// and that the same client reaches its own is what makes them proofs. Anything
// else that went wrong before a connection is an error, and proves nothing.
func connected(o mesh.Output) (ok bool, detail string, err error) {
	m := connectLine.FindStringSubmatch(string(o.Stdout))
	if m == nil {
		return false, "", curlError(o)
	}
	took, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return false, "", err
	}
	said := strings.TrimPrefix(strings.TrimSpace(string(o.Stderr)), "curl: ")
	switch {
	case took > 0 && o.Code == 0:
		return true, statusDetail + m[2], nil
	case took > 0:
		return true, "connected, then " + said, nil
	case o.Code == curlNoConnection || o.Code == curlTimedOut:
		return false, said, nil
	}
	return false, "", fmt.Errorf("curl ended with code %d: %s", o.Code, said)
}

// connectedByProxy reads the result of a request through the proxy, which
// reports in words how its own connection went (Envoy's failure reasons).
func connectedByProxy(o mesh.Output) (ok bool, detail string, err error) {
	body := string(o.Stdout)
	m := connectLine.FindStringSubmatch(body)
	switch {
	case m != nil && o.Code == curlTimedOut:
		return false, "the proxy gave no answer", nil
	case m == nil || o.Code != 0:
		return false, "", curlError(o)
	}
	for _, reason := range []string{"connection failure", "connection timeout", "remote connection failure", "local connection failure", "no healthy upstream"} {
		if strings.Contains(body, reason) {
			return false, "status " + m[2] + ": " + reason, nil
		}
	}
	return true, statusDetail + m[2], nil
}

func reachEvidence(c *mesh.Member, list []Reach) gather {
	var b strings.Builder
	for _, r := range list {
		fmt.Fprintf(&b, "%s -> %s %s (%s): connected %t: %s %s\n", r.From, r.To, r.Address, r.Way, r.Connected, r.Detail, r.Answer)
	}
	return textEvidence(c, EvidenceRequests, "connections to pods by their own address", b.String())
}
