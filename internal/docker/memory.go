package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Usage is what a container uses of the memory, in bytes, without the page cache.
type Usage struct {
	Container string // its name
	Bytes     float64
}

// Memory returns the usage of containers by name, or of all that run when none is
// named, sorted by name.
func (c *Client) Memory(ctx context.Context, containers ...string) ([]Usage, error) {
	out, err := c.Run(ctx, append([]string{"stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}"}, containers...)...)
	if err != nil {
		return nil, err
	}
	return parseMemory(string(out))
}

// parseMemory reads lines such as "lab-cluster1-control-plane 1.33GiB / 23.4GiB".
func parseMemory(text string) ([]Usage, error) {
	var list []Usage
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 {
			return nil, fmt.Errorf("docker stats: %q", line)
		}
		used, err := resource.ParseQuantity(strings.TrimSuffix(f[1], "B"))
		if err != nil {
			return nil, fmt.Errorf("docker stats: %s: %w", f[0], err)
		}
		list = append(list, Usage{f[0], used.AsApproximateFloat64()})
	}
	slices.SortFunc(list, func(a, b Usage) int { return strings.Compare(a.Container, b.Container) })
	return list, nil
}
