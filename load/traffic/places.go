package traffic

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/meshwright/meshwright/mesh"
)

// places knows in which cluster a pod runs.
type places struct {
	members  []*mesh.Member
	workload mesh.Workload

	mu    sync.Mutex
	known map[string]mesh.Cluster
	asked time.Time
}

// of returns the cluster of a server pod, or "". An unknown pod is looked up,
// but not more than once in two seconds.
func (p *places) of(ctx context.Context, pod string) string {
	if pod == "" {
		return ""
	}
	p.mu.Lock()
	place, ok := p.known[pod]
	stale := time.Since(p.asked) > 2*time.Second
	p.mu.Unlock()
	if ok || !stale {
		return place.Name
	}
	p.refresh(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[pod].Name
}

// refresh asks every cluster for its server pods. What was known of a cluster that
// does not answer stays known: counting goes on.
func (p *places) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.Copy(p.known, mesh.Homes(ctx, p.members, p.workload))
	p.asked = time.Now()
}
