package recovery

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/docker/mark"
)

// StartNodes starts those of the lab's nodes, which the state knows by these names,
// that are stopped, as after a restart of the machine. Whether any is gone is
// returned, since the state alone does not say so.
func StartNodes(ctx context.Context, lab Mark, names []string, log *slog.Logger) (lost bool, err error) {
	if len(names) == 0 {
		return false, nil
	}
	client, owner, err := lab.Open(ctx)
	if err != nil {
		return false, err
	}
	if owner == nil {
		return false, fmt.Errorf("lab %s: %w; whether its nodes are there is unknown", lab.Lab, mark.ErrNoOwner)
	}
	found, err := owner.Nodes(ctx, client)
	if err != nil {
		return false, err
	}
	ours := map[string]docker.Container{}
	for _, c := range found {
		ours[c.Name] = c
	}
	for _, name := range names {
		c, ok := ours[name]
		switch {
		case !ok:
			log.Info("a node is gone", "lab", lab.Lab, "node", name)
			lost = true
		case !c.State.Running:
			log.Info("starting a stopped node", "lab", lab.Lab, "node", name)
			if err := client.Start(ctx, c.ID); err != nil {
				return lost, fmt.Errorf("start node %s: %w", name, err)
			}
		}
	}
	return lost, nil
}
