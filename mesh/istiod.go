package mesh

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ControlPlaneState is what the istiods of one cluster say about themselves: of several
// istiods the worst sync status, all proxies, the sum of rejects.
type ControlPlaneState struct {
	Remotes map[string]string    // sync status by cluster, from /debug/clusterz
	Proxies map[string]ProxySync // by "<cluster>/<pod>.<namespace>", from /debug/syncz
	Rejects float64              // counter pilot_total_xds_rejects, since istiod started
	Raw     string               // the answers of /debug/clusterz
}

// Synced is istiod's word for a cluster that it reads.
const Synced = "synced"

// ControlPlaneState asks the running istiods of a primary cluster. That none runs is an
// error.
func (m *Member) ControlPlaneState(ctx context.Context) (*ControlPlaneState, error) {
	pods, err := m.Istiods(ctx)
	if err != nil {
		return nil, err
	}
	if len(pods) == 0 {
		return nil, errors.New("no istiod pod is running")
	}
	out := &ControlPlaneState{Remotes: map[string]string{}, Proxies: map[string]ProxySync{}}
	for i := range pods {
		if err := out.read(ctx, m, Ref(&pods[i])); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *ControlPlaneState) read(ctx context.Context, m *Member, istiod Pod) error {
	body, err := m.HTTP(ctx, istiod, IstiodDebugPort, "/debug/clusterz")
	if err != nil {
		return err
	}
	remotes, err := parseClusterz(body)
	if err != nil {
		return err
	}
	c.Raw += string(body)
	for _, r := range remotes {
		if old, ok := c.Remotes[r.ID]; !ok || old == Synced {
			c.Remotes[r.ID] = r.SyncStatus
		}
	}
	if body, err = m.HTTP(ctx, istiod, IstiodDebugPort, "/debug/syncz"); err != nil {
		return err
	}
	proxies, err := parseSyncz(body)
	if err != nil {
		return err
	}
	for _, p := range proxies {
		c.Proxies[p.ClusterID+"/"+p.ProxyID] = p
	}
	if body, err = m.HTTP(ctx, istiod, IstiodStatsPort, "/metrics"); err != nil {
		return err
	}
	n, err := metric(body, "pilot_total_xds_rejects")
	c.Rejects += n
	return err
}

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

// ProxySync is one entry of istiod's /debug/syncz: a proxy connected to it.
type ProxySync struct {
	ClusterID string `json:"cluster_id"`
	ProxyID   string `json:"proxy"` // "<pod>.<namespace>"
	Resources map[string]struct {
		LastError string `json:"lastError"`
	} `json:"resources"`
}

func parseSyncz(body []byte) ([]ProxySync, error) {
	var out []ProxySync
	if err := json.Unmarshal(body, &out); err != nil {
		return nil, fmt.Errorf("syncz: %w", err)
	}
	return out, nil
}

// Rejects returns the configuration that the proxy refused, by type, as
// "type: error".
func (p ProxySync) Rejects() []string {
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
