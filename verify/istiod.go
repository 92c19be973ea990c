package verify

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// remoteCluster is one entry of istiod's /debug/clusterz. The config cluster
// itself is listed without a secret.
type remoteCluster struct {
	ID         string `json:"id"`
	SecretName string `json:"secretName"`
	SyncStatus string `json:"syncStatus"`
}

func parseClusterz(body []byte) ([]remoteCluster, error) {
	var out []remoteCluster
	if err := json.Unmarshal(body, &out); err != nil {
		return nil, fmt.Errorf("clusterz: %w", err)
	}
	return out, nil
}

// proxySync is one entry of istiod's /debug/syncz: a proxy connected to it.
type proxySync struct {
	ClusterID string `json:"cluster_id"`
	ProxyID   string `json:"proxy"` // "<pod>.<namespace>"
	Resources map[string]struct {
		LastError string `json:"lastError"`
	} `json:"resources"`
}

func parseSyncz(body []byte) ([]proxySync, error) {
	var out []proxySync
	if err := json.Unmarshal(body, &out); err != nil {
		return nil, fmt.Errorf("syncz: %w", err)
	}
	return out, nil
}

// rejects returns the configuration that the proxy refused, by type, as
// "type: error".
func (p proxySync) rejects() []string {
	var out []string
	for url, r := range p.Resources {
		if r.LastError != "" {
			out = append(out, url[strings.LastIndexByte(url, '.')+1:]+": "+r.LastError)
		}
	}
	return out
}

// metric sums the samples of one metric in Prometheus text format. A counter
// that never counted is not exposed at all: that is 0.
func metric(text []byte, name string) (float64, error) {
	var sum float64
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest == "" || (rest[0] != '{' && rest[0] != ' ') {
			continue
		}
		if i := strings.LastIndexByte(rest, '}'); i >= 0 {
			rest = rest[i+1:]
		}
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			return 0, fmt.Errorf("metric %s: no value in %q", name, line)
		}
		v, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return 0, fmt.Errorf("metric %s: %w", name, err)
		}
		sum += v
	}
	return sum, lines.Err()
}
