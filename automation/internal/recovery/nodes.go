package automation

import (
	"context"
	"fmt"

	"github.com/meshwright/meshwright/internal/docker"
)

// wakeNodes looks after the nodes that the lab's state knows. One that stands
// still, as after a restart of the machine, is started; whether any is gone is
// returned, since the state alone does not say so.
func (l *Lab) wakeNodes(ctx context.Context, state snapshot) (lost bool, err error) {
	names := state.nodes()
	if len(names) == 0 {
		return false, nil
	}
	client, err := docker.Find(ctx)
	if err != nil {
		return false, err
	}
	found, err := l.nodes(ctx, client)
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
			l.o.Log.Info("a node is gone", "lab", l.o.Name, "node", name)
			lost = true
		case !c.State.Running:
			l.o.Log.Info("starting a node that stands still", "lab", l.o.Name, "node", name)
			if err := client.Start(ctx, c.ID); err != nil {
				return lost, fmt.Errorf("start node %s: %w", name, err)
			}
		}
	}
	return lost, nil
}
