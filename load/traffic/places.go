package traffic

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/meshwright/meshwright/mesh"
)

// places knows in which cluster a pod runs.
type places struct {
	targets  []mesh.Cluster
	workload mesh.Workload

	mu       sync.Mutex
	clusters map[string]*mesh.Client
	known    map[string]string
	asked    time.Time
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
		return place
	}
	p.refresh(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[pod]
}

// refresh asks every cluster for its server pods. A cluster that does not
// answer keeps what was known of it: counting goes on.
func (p *places) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.clusters == nil {
		p.clusters, p.known = map[string]*mesh.Client{}, map[string]string{}
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	for _, t := range p.targets {
		c := p.clusters[t.Name]
		if c == nil {
			var err error
			if c, err = mesh.NewClient(t.Config); err != nil {
				continue
			}
			p.clusters[t.Name] = c
		}
		wg.Go(func() {
			svc, err := c.Service(ctx, p.workload.Namespace, p.workload.Service)
			if err != nil || len(svc.Spec.Selector) == 0 {
				return
			}
			pods, err := c.Pods(ctx, p.workload.Namespace, labels.SelectorFromSet(svc.Spec.Selector).String())
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for _, pod := range pods {
				p.known[pod.Name] = t.Name
			}
		})
	}
	wg.Wait()
	p.asked = time.Now()
}

func (p *places) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.clusters {
		c.Close()
	}
}
