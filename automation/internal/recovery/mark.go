package recovery

import (
	"context"
	"errors"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/docker/mark"
)

// Mark names a lab to Docker; see mark.Owner. The name alone does not tell labs apart: one
// of another user, or of another state directory, may have the same.
type Mark struct {
	Lab string // its name
	Dir string // the owner directory on this machine
}

// Open returns the daemon that has the lab and the lab's owner, or nothing of either when
// nothing of the lab was ever created with Docker. It fails where the daemon does not
// answer, and with a *mark.OtherDaemonError where another one does.
func (m Mark) Open(ctx context.Context) (*docker.Client, *mark.Owner, error) {
	owner, err := mark.Read(m.Dir, m.Lab)
	if errors.Is(err, mark.ErrNoOwner) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	client, err := docker.Find(ctx)
	if err != nil {
		return nil, nil, err
	}
	daemon, err := client.Daemon(ctx)
	if err == nil {
		err = owner.RefuseOther(ctx, client, daemon)
	}
	if err != nil {
		return nil, nil, err
	}
	return client, owner, nil
}
