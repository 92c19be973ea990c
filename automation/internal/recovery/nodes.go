package recovery

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/docker/mark"
)

// StartNodes starts those of the lab's nodes, which the state knows by these names,
// that are stopped, as after a restart of the machine. It returns those that it started
// and those that are gone, since the state alone does not say so.
func StartNodes(ctx context.Context, lab Mark, names []string, log *slog.Logger) (started, gone []string, err error) {
	client, stopped, gone, err := findNodes(ctx, lab, names)
	for _, name := range gone {
		log.Info("a node is gone", "lab", lab.Lab, "node", name)
	}
	for _, c := range stopped {
		log.Info("starting a stopped node", "lab", lab.Lab, "node", c.Name)
		if err := client.Start(ctx, c.ID); err != nil {
			return started, gone, fmt.Errorf("start node %s: %w", c.Name, err)
		}
		started = append(started, c.Name)
	}
	return started, gone, err
}

// GoneNodes are those of the lab's nodes that do not exist.
func GoneNodes(ctx context.Context, lab Mark, names []string) ([]string, error) {
	_, _, gone, err := findNodes(ctx, lab, names)
	return gone, err
}

func findNodes(ctx context.Context, lab Mark, names []string) (client *docker.Client, stopped []docker.Container, gone []string, err error) {
	if len(names) == 0 {
		return nil, nil, nil, nil
	}
	client, owner, err := lab.Open(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	if owner == nil {
		return nil, nil, nil, fmt.Errorf("lab %s: %w; whether its nodes are there is unknown", lab.Lab, mark.ErrNoOwner)
	}
	found, err := owner.Nodes(ctx, client)
	if err != nil {
		return nil, nil, nil, err
	}
	ours := map[string]docker.Container{}
	for _, c := range found {
		ours[c.Name] = c
	}
	for _, name := range names {
		c, ok := ours[name]
		switch {
		case !ok:
			gone = append(gone, name)
		case !c.State.Running:
			stopped = append(stopped, c)
		}
	}
	return client, stopped, gone, nil
}
