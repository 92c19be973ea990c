package collect

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/meshwright/meshwright/mesh"
)

// pods collects logs and proxy state of every pod.
func (c *cluster) pods(ctx context.Context) {
	pods, err := c.Pods(ctx, "", "")
	if err != nil {
		c.missing(c.dir+"/logs", err)
		return
	}
	for _, p := range pods {
		c.logs(ctx, p)
		if p.Status.Phase != corev1.PodRunning {
			continue
		}
		switch {
		case p.Labels["app"] == "istiod":
			c.ask(ctx, p, "istiod", 8080, map[string]string{
				"clusterz.json": "/debug/clusterz", "syncz.json": "/debug/syncz", "networkz.json": "/debug/networkz",
				"endpointShardz.json": "/debug/endpointShardz", "mesh.json": "/debug/mesh", "push_status.json": "/debug/push_status",
			})
			c.ask(ctx, p, "istiod", 15014, map[string]string{"metrics.txt": "/metrics"})
		case hasSidecar(p):
			c.ask(ctx, p, "envoy", 15000, map[string]string{
				"config_dump.json": "/config_dump?include_eds", "clusters.txt": "/clusters", "listeners.txt": "/listeners",
				"certs.json": "/certs", "server_info.json": "/server_info", "stats.txt": "/stats?usedonly",
			})
		}
	}
}

func hasSidecar(p corev1.Pod) bool {
	for _, list := range [][]corev1.Container{p.Spec.Containers, p.Spec.InitContainers} {
		for _, c := range list {
			if c.Name == "istio-proxy" {
				return true
			}
		}
	}
	return false
}

// logs collects the end of every container's log, and of its predecessor's
// where it has restarted.
func (c *cluster) logs(ctx context.Context, p corev1.Pod) {
	restarts := map[string]bool{}
	for _, s := range append(p.Status.ContainerStatuses, p.Status.InitContainerStatuses...) {
		restarts[s.Name] = s.RestartCount > 0
	}
	for _, container := range append(p.Spec.InitContainers, p.Spec.Containers...) {
		for _, previous := range []bool{false, true} {
			if previous && !restarts[container.Name] {
				continue
			}
			c.do(func() { c.log(ctx, p, container.Name, previous) })
		}
	}
}

func (c *cluster) log(ctx context.Context, p corev1.Pod, container string, previous bool) {
	name := fmt.Sprintf("%s/logs/%s/%s/%s.log", c.dir, p.Namespace, p.Name, container)
	if previous {
		name = strings.TrimSuffix(name, ".log") + ".previous.log"
	}
	text, err := c.Kubernetes.CoreV1().Pods(p.Namespace).GetLogs(p.Name, &corev1.PodLogOptions{
		Container: container, TailLines: &c.lines, Previous: previous,
	}).DoRaw(ctx)
	if err != nil {
		c.missing(name, err)
		return
	}
	if len(text) > 0 {
		c.add(name, text)
	}
}

// ask collects answers of a pod's port on its loopback.
func (c *cluster) ask(ctx context.Context, p corev1.Pod, kind string, port int, files map[string]string) {
	c.do(func() {
		for file, path := range files {
			name := fmt.Sprintf("%s/%s/%s/%s/%s", c.dir, kind, p.Namespace, p.Name, file)
			text, err := c.HTTP(ctx, mesh.Ref(&p), port, path)
			if err != nil {
				c.missing(name, err)
				continue
			}
			c.add(name, text)
		}
	})
}
