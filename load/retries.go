package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/meshwright/meshwright/mesh"
)

// retriesOf reads how often a proxy has repeated a request to the workload.
// known is false where the proxy does not count: Istio leaves the figure out
// unless the pod's proxyStatsMatcher asks for it.
func (m *session) retriesOf(ctx context.Context, p mesh.Proxy) (n int, known bool, err error) {
	body, err := p.Admin(ctx, `/stats?format=json&filter=upstream_rq_retry$`)
	if err != nil {
		return 0, false, err
	}
	return parseRetries(body, fmt.Sprintf("|%s.%s.svc.", m.workload.Service, m.workload.Namespace))
}

// parseRetries sums up the retries to the Envoy clusters whose name contains host.
func parseRetries(body []byte, host string) (n int, known bool, err error) {
	var dump struct {
		Stats []struct {
			Name  string `json:"name"`
			Value int    `json:"value"`
		} `json:"stats"`
	}
	if err := json.Unmarshal(body, &dump); err != nil {
		return 0, false, fmt.Errorf("statistics: %w", err)
	}
	for _, s := range dump.Stats {
		if strings.Contains(s.Name, host) {
			n, known = n+s.Value, true
		}
	}
	return n, known, nil
}
