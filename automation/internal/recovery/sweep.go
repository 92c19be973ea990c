package recovery

import (
	"context"
	"fmt"
	"strings"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/report"
)

// Swept names what a sweep removed.
type Swept struct {
	Containers []string `json:"containers,omitempty"`
	Networks   []string `json:"networks,omitempty"`
}

// Sweep removes the lab's nodes, with their volumes, and its networks. A container of
// another owner on a network stops it before anything is removed.
func Sweep(ctx context.Context, lab Mark) (*Swept, error) {
	swept := &Swept{}
	client, owner, err := lab.Open(ctx)
	if err != nil || owner == nil {
		return swept, err
	}
	networks, err := owner.Networks(ctx, client)
	if err != nil {
		return swept, err
	}
	for _, n := range networks {
		on, err := client.Containers(ctx, docker.Filter{Network: n.ID})
		if err != nil {
			return swept, err
		}
		_, others, err := owner.Divide(ctx, client, on, n.Name)
		if err != nil {
			return swept, err
		}
		if len(others) > 0 {
			var names []string
			for _, o := range others {
				names = append(names, o.Name)
			}
			return swept, report.WithRemedies(fmt.Errorf("network %s has containers that are not the lab's: %s", n.Name, strings.Join(names, ", ")),
				report.Remedy{Text: "disconnect them", Command: "docker network disconnect " + n.Name + " NAME"},
				report.Remedy{Text: "then remove the lab", Operation: report.OperationDestroy})
		}
	}
	nodes, err := owner.Nodes(ctx, client)
	if err != nil {
		return swept, err
	}
	for _, c := range nodes {
		if err := client.Remove(ctx, c.ID); err != nil {
			return swept, err
		}
		swept.Containers = append(swept.Containers, c.Name)
	}
	for _, n := range networks {
		if err := client.RemoveNetwork(ctx, n.ID); err != nil {
			return swept, err
		}
		swept.Networks = append(swept.Networks, n.Name)
	}
	return swept, nil
}
