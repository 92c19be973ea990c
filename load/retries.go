package load

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/meshwright/meshwright/mesh"
)

// retriesOf reads how often a proxy has repeated a request to the workload. known is
// false where the proxy cannot be asked or does not count: Istio omits the figure
// unless the pod's proxyStatsMatcher asks for it.
func retriesOf(ctx context.Context, m *mesh.Member, proxy mesh.Pod, w mesh.Workload) (n int, known bool) {
	if proxy == (mesh.Pod{}) {
		return 0, false
	}
	body, err := m.HTTP(ctx, proxy, mesh.EnvoyAdminPort, `/stats?format=json&filter=upstream_rq_retry$`)
	if err != nil {
		return 0, false
	}
	return parseRetries(body, fmt.Sprintf("|%s.%s.svc.", w.Service, w.Namespace))
}

// parseRetries sums up the retries to the Envoy clusters whose name contains host.
func parseRetries(body []byte, host string) (n int, known bool) {
	var dump struct {
		Stats []struct {
			Name  string `json:"name"`
			Value int    `json:"value"`
		} `json:"stats"`
	}
	if json.Unmarshal(body, &dump) != nil {
		return 0, false
	}
	for _, s := range dump.Stats {
		if strings.Contains(s.Name, host) {
			n, known = n+s.Value, true
		}
	}
	return n, known
}
