package recovery

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/meshwright/meshwright/internal/docker"
)

// StartNodes starts those of the lab's nodes, which the state knows by these names,
// that are stopped, as after a restart of the machine. It returns those that it started
// and those that are gone, since the state alone does not say so.
func StartNodes(ctx context.Context, lab Mark, names []string, log *slog.Logger) (started, gone []string, err error) {
	if len(names) == 0 {
		return nil, nil, nil
	}
	client, err := docker.Find(ctx)
	if err != nil {
		return nil, nil, err
	}
	found, err := lab.Nodes(ctx, client)
	if err != nil {
		return nil, nil, err
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
			gone = append(gone, name)
		case !c.State.Running:
			log.Info("starting a stopped node", "lab", lab.Lab, "node", name)
			if err := client.Start(ctx, c.ID); err != nil {
				return started, gone, fmt.Errorf("start node %s: %w", name, err)
			}
			started = append(started, name)
		}
	}
	return started, gone, nil
}
