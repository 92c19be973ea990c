package verify

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/meshwright/meshwright/load/call"
	"github.com/meshwright/meshwright/mesh"
	"github.com/meshwright/meshwright/report"
)

var mutualTLS = Check{
	ID:       CheckMTLS,
	Title:    "mutual TLS",
	Proves:   "under STRICT mTLS a caller without a certificate is refused, from a pod and from the node",
	Needs:    []Capability{CapabilityDeployer, CapabilityWorkload},
	Deadline: 6 * time.Minute,
	Timed:    true,
	Reasons: timedReasons(
		Cause{
			ReasonPlaintextAccepted, "a caller without a certificate got an answer",
			report.Remedy{
				Text:    "a PeerAuthentication in the namespace of the workload or in the root namespace overrides STRICT",
				Command: "kubectl get peerauthentications -A",
			},
		},
		controlFailed,
		Cause{
			ReasonRefusalUnproven, "a caller got no answer, but not for lack of a certificate",
			report.Remedy{Object: "the network of the caller", Text: "the caller did not reach the pod at all, so that the refusal proves nothing"},
		},
	),
	run: checkMTLS,
}

// Reasons of check "mtls".
const (
	ReasonPlaintextAccepted Reason = "PlaintextAccepted"
	ReasonRefusalUnproven   Reason = "RefusalUnproven"
)

// Callers without a certificate.
var outsiders = []struct{ selector, what string }{
	{"app=outsider", "a pod outside the mesh"},
	{"app=outsider-node", "the node"},
}

// MTLSData is what check "mtls" saw.
type MTLSData struct {
	Refusals []Refusal `json:"refusals"`
}

// Refusal is one attempt to call a server pod in plaintext.
type Refusal struct {
	Cluster string `json:"cluster"`
	Caller  string `json:"caller"` // "a pod outside the mesh" or "the node"
	Target  string `json:"target"` // the server pod
	// Got is what curl said: the connection was made, then closed.
	Got string `json:"got"`
	// Reached is the control of the path: the caller got an answer from the
	// target's port that takes plaintext by design.
	Reached bool `json:"reached"`
	// Answered is the control of the target: mesh clients got so many answers
	// from it.
	Answered int `json:"answered"`
}

// curl's exit codes when a connection was made and closed without an answer.
const (
	curlEmptyReply   = 52
	curlReceiveError = 56
)

// checkMTLS calls servers under STRICT mTLS in plaintext, which must be refused.
// A refusal counts only when the same caller reaches the same pod on the port
// that takes plaintext, and the same pod answers a mesh client.
func checkMTLS(ctx context.Context, m *session, out *outcome) {
	m.inScenario(ctx, mesh.Scenario{Name: "mtls", MTLS: "STRICT", Outsiders: true}, out, func(m *session) {
		answers := m.answered(ctx, out)
		var mu sync.Mutex
		var data MTLSData
		m.each(func(c *mesh.Member) {
			for _, r := range m.plaintext(ctx, c, out) {
				r.Answered = answers[r.Target]
				r.judge(out)
				mu.Lock()
				data.Refusals = append(data.Refusals, r)
				mu.Unlock()
			}
		})
		out.data = data
		out.summary = fmt.Sprintf("%s in plaintext refused, from pods outside the mesh and from nodes; the same targets answered mesh clients",
			count(len(data.Refusals), "call"))
	})
}

// answered counts, by server pod, the answers that mesh clients of all clusters got.
func (m *session) answered(ctx context.Context, out *outcome) map[string]int {
	n := powerOf(m.choices(), len(m.workload.AllVersions())).Requests
	var mu sync.Mutex
	got := map[string]int{}
	m.each(func(c *mesh.Member) {
		b, finding := m.callFromPod(ctx, c, "mesh", m.workload.URL(), n)
		if finding != nil {
			out.add(*finding)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, r := range b.records {
			if r.OK() {
				got[r.Instance]++
			}
		}
	})
	return got
}

// plaintext calls every server pod of c from every outsider in c.
func (m *session) plaintext(ctx context.Context, c *mesh.Member, out *outcome) []Refusal {
	servers, err := c.Servers(ctx, m.workload)
	if err != nil {
		out.add(unreachable(c, "", err))
		return nil
	}
	var list []Refusal
	for _, o := range outsiders {
		pods, err := c.Pods(ctx, m.workload.Namespace, o.selector)
		if err != nil {
			out.add(unreachable(c, "", err))
			return nil
		}
		if pods = mesh.Running(pods); len(pods) == 0 {
			out.add(Finding{Reason: ReasonClientMissing, Cluster: c.Name, Message: "no running pod " + o.selector})
			continue
		}
		for i := range servers {
			r, finding := m.refusal(ctx, c, &pods[0], &servers[i])
			if finding != nil {
				out.add(*finding)
				continue
			}
			r.Caller = o.what
			list = append(list, *r)
		}
	}
	return list
}

// refusal calls one server pod from an outsider: its service port, and the port
// of the proxy's readiness, which takes plaintext.
func (m *session) refusal(ctx context.Context, c *mesh.Member, from, to *corev1.Pod) (*Refusal, *Finding) {
	curl := func(port int, path string) (mesh.Output, error) {
		url := "http://" + net.JoinHostPort(to.Status.PodIP, strconv.Itoa(port)) + path
		return c.Exec(ctx, mesh.Ref(from), mesh.AppContainer(from), []string{
			"curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", call.Seconds(m.timeouts.Request), url,
		})
	}
	r := &Refusal{Cluster: c.Name, Target: to.Name}
	control, err := curl(mesh.StatusPort, "/healthz/ready")
	if err != nil {
		return nil, new(unreachable(c, "pod "+from.Name, err))
	}
	r.Reached = control.Code == 0 && string(control.Stdout) == "200"
	res, err := curl(m.workload.Port, m.workload.Path)
	if err != nil {
		return nil, new(unreachable(c, "pod "+from.Name, err))
	}
	switch {
	case res.Code == 0:
		r.Got = "status " + string(res.Stdout)
	case res.Code == curlEmptyReply || res.Code == curlReceiveError:
		r.Got = "connection closed"
	default:
		r.Got = strings.TrimSpace(excerpt(string(res.Stderr)))
	}
	return r, nil
}

func (r *Refusal) judge(out *outcome) {
	report := func(reason Reason, format string, args ...any) {
		out.add(Finding{Reason: reason, Cluster: r.Cluster, Object: "pod " + r.Target, Message: fmt.Sprintf(format, args...)})
	}
	switch {
	case strings.HasPrefix(r.Got, "status "):
		report(ReasonPlaintextAccepted, "it answered %s in plaintext: %s", r.Caller, r.Got)
	case r.Got != "connection closed":
		report(ReasonRefusalUnproven, "%s got no answer, but the connection was not closed either: %s", r.Caller, r.Got)
	case !r.Reached:
		report(ReasonRefusalUnproven, "%s does not reach the port that takes plaintext either: the path is broken", r.Caller)
	}
	if r.Answered == 0 {
		report(ReasonControlFailed, "no mesh client got an answer from it either")
	}
}
