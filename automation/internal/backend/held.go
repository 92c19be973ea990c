package automation

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/meshwright/meshwright/internal/docker"
	"github.com/meshwright/meshwright/internal/docker/mark"
	"github.com/meshwright/meshwright/internal/provider/kind"
)

// HeldError says that the lab is in another Pulumi state: the plain command's in a
// checkout, or one in another backend. It names that state, and the command that
// takes the lab down there.
type HeldError = kind.HeldError

// refuseHeld refuses a lab that another Pulumi state made. This lab's state knows
// nothing of it: up would make the clusters anew, destroy leave the other state
// with resources that are gone. Without a Docker that answers there is nothing to
// refuse for.
func (l *Lab) refuseHeld(ctx context.Context) error {
	id, err := ownerID(l.ownerDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	client, err := docker.Find(ctx)
	if err != nil {
		return nil //nolint:nilerr // what needs Docker will say so
	}
	networks, err := client.Networks(ctx, map[string]string{mark.LabLabel: l.o.Name, mark.OwnerLabel: id})
	if err != nil {
		return err
	}
	for _, n := range networks {
		if err := l.state().Refuse(l.o.Name, n.Labels); err != nil {
			return err
		}
	}
	return nil
}

// discard removes the directory of a new lab of which nothing exists. An owner file
// that was there before stays: what another state made may bear its mark.
func (l *Lab) discard(keepOwner bool) error {
	if !keepOwner {
		return os.RemoveAll(l.Dir())
	}
	entries, err := os.ReadDir(l.Dir())
	for _, e := range entries {
		if path := filepath.Join(l.Dir(), e.Name()); path != l.ownerDir() {
			err = errors.Join(err, os.RemoveAll(path))
		}
	}
	return err
}
