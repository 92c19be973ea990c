package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"
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

// units are those in which docker writes sizes of memory.
var units = map[string]float64{"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}

// parseMemory reads lines such as "lab-cluster1-control-plane 1.33GiB / 23.4GiB".
func parseMemory(text string) ([]Usage, error) {
	var list []Usage
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 {
			return nil, fmt.Errorf("docker stats: %q", line)
		}
		var used float64
		var unit string
		if _, err := fmt.Sscanf(f[1], "%f%s", &used, &unit); err != nil || units[unit] == 0 {
			return nil, fmt.Errorf("docker stats: %s: %q is no size", f[0], f[1])
		}
		list = append(list, Usage{f[0], used * units[unit]})
	}
	slices.SortFunc(list, func(a, b Usage) int { return strings.Compare(a.Container, b.Container) })
	return list, nil
}
