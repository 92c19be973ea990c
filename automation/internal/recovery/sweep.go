package recovery

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/docker/mark"
	"github.com/meshwright/meshwright/report"
)

// Swept names what a sweep removed.
type Swept struct {
	Containers []string `json:"containers,omitempty"`
	Networks   []string `json:"networks,omitempty"`
}

// Sweep removes the containers, with their volumes, and the networks that bear the
// lab's mark.
func Sweep(ctx context.Context, lab Mark) (*Swept, error) {
	swept := &Swept{}
	id, err := lab.Owner()
	if errors.Is(err, fs.ErrNotExist) {
		return swept, nil
	}
	if err != nil {
		return nil, err
	}
	client, err := docker.Find(ctx)
	if err != nil {
		return nil, err
	}
	containers, err := client.Containers(ctx, docker.Filter{Labels: map[string]string{mark.OwnerLabel: id}})
	if err != nil {
		return nil, err
	}
	nodes, err := lab.Nodes(ctx, client)
	if err != nil {
		return nil, err
	}
	for _, c := range append(containers, nodes...) {
		if err := client.Remove(ctx, c.ID); err != nil {
			return nil, err
		}
		swept.Containers = append(swept.Containers, c.Name)
	}
	networks, err := lab.Networks(ctx, client)
	if err != nil {
		return nil, err
	}
	for _, n := range networks {
		if len(n.Containers) > 0 {
			return nil, report.WithRemedies(fmt.Errorf("network %s has containers that are not the lab's; disconnect them (docker network disconnect)", n.Name),
				report.Remedy{Text: "then remove the lab", Operation: report.OperationDestroy})
		}
		if err := client.RemoveNetwork(ctx, n.ID); err != nil {
			return nil, err
		}
		swept.Networks = append(swept.Networks, n.Name)
	}
	return swept, nil
}
