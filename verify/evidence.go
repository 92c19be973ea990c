package verify

import (
	"context"
	"fmt"
	"sort"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/meshwright/meshwright/mesh"
)

// maxExcerpt bounds one piece of evidence, in bytes.
const maxExcerpt = 4 << 10

// logLines is how much of a log is attached.
const logLines = 20

type gather = func(context.Context) Evidence

// excerpt keeps the end of long text: what happened last explains most.
func excerpt(s string) string {
	if len(s) <= maxExcerpt {
		return s
	}
	s = s[len(s)-maxExcerpt:]
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		s = s[i+1:]
	}
	return "...\n" + s
}

// statusYAML renders a status. Marshalling an API type cannot fail in a way
// that is worth more than its message.
func statusYAML(v any) string {
	text, err := yaml.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return excerpt(string(text))
}

func deploymentEvidence(c *mesh.Member, d *appsv1.Deployment) gather {
	status := d.Status.DeepCopy()
	return func(context.Context) Evidence {
		return Evidence{Title: objectOf(d) + " status", Cluster: c.Name, Kind: EvidenceObject, Content: statusYAML(status)}
	}
}

func serviceEvidence(c *mesh.Member, s *corev1.Service) gather {
	s = s.DeepCopy()
	return func(context.Context) Evidence {
		return Evidence{
			Title: "service " + s.Namespace + "/" + s.Name, Cluster: c.Name, Kind: EvidenceObject,
			Content: statusYAML(map[string]any{"type": s.Spec.Type, "annotations": s.Annotations, "ports": s.Spec.Ports, "status": s.Status}),
		}
	}
}

func eventEvidence(c *mesh.Member, namespace, name string) gather {
	return func(ctx context.Context) Evidence {
		e := Evidence{Title: "events of " + namespace + "/" + name, Cluster: c.Name, Kind: EvidenceLog}
		list, err := c.Events(ctx, namespace, name)
		if err != nil {
			e.Content = err.Error()
			return e
		}
		sort.Slice(list, func(i, j int) bool { return list[i].LastTimestamp.Before(&list[j].LastTimestamp) })
		var b strings.Builder
		for _, v := range list {
			fmt.Fprintf(&b, "%s %s %s: %s\n", v.LastTimestamp.UTC().Format("15:04:05"), v.Type, v.Reason, v.Message)
		}
		e.Content = excerpt(b.String())
		return e
	}
}

// logEvidence attaches the log of the newest pod of a selector.
func logEvidence(c *mesh.Member, namespace, selector, container string) gather {
	return func(ctx context.Context) Evidence {
		e := Evidence{Title: "log of " + selector, Cluster: c.Name, Kind: EvidenceLog}
		pods, err := c.Pods(ctx, namespace, selector)
		if err != nil {
			e.Content = err.Error()
			return e
		}
		if len(pods) == 0 {
			e.Content = "no pod"
			return e
		}
		sort.Slice(pods, func(i, j int) bool { return pods[j].CreationTimestamp.Before(&pods[i].CreationTimestamp) })
		return podLog(ctx, c, mesh.Ref(&pods[0]), container)
	}
}

// proxyLogEvidence attaches the log of a pod's proxy.
func proxyLogEvidence(c *mesh.Member, pod mesh.Pod) gather {
	return func(ctx context.Context) Evidence { return podLog(ctx, c, pod, mesh.Sidecar) }
}

func podLog(ctx context.Context, c *mesh.Member, pod mesh.Pod, container string) Evidence {
	e := Evidence{Title: fmt.Sprintf("log of pod %s, container %s", pod, container), Cluster: c.Name, Kind: EvidenceLog}
	text, err := c.Logs(ctx, pod, container, logLines)
	if err != nil {
		e.Content = err.Error()
		return e
	}
	e.Content = excerpt(string(text))
	return e
}

// listenerEvidence attaches the listeners of a gateway's first pod.
func listenerEvidence(c *mesh.Member, selector string) gather {
	return func(ctx context.Context) Evidence {
		e := Evidence{Title: "listeners of " + selector, Cluster: c.Name, Kind: EvidenceConfig}
		pods, err := c.Pods(ctx, "", selector)
		if pods = mesh.Running(pods); err != nil || len(pods) == 0 {
			return e
		}
		text, err := c.HTTP(ctx, mesh.Ref(&pods[0]), mesh.EnvoyAdminPort, "/listeners")
		if err != nil {
			text = []byte(err.Error())
		}
		e.Content = excerpt(string(text))
		return e
	}
}

func textEvidence(c *mesh.Member, kind, title, text string) gather {
	return func(context.Context) Evidence {
		return Evidence{Title: title, Cluster: c.Name, Kind: kind, Content: excerpt(text)}
	}
}
