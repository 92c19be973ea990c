package backend

import (
	"context"

	"github.com/meshwright/meshwright/automation/internal/recovery"
	"github.com/meshwright/meshwright/internal/provider/kind"
)

// HeldError says that the lab is in another Pulumi state: the plain command's in a
// checkout, or one in another backend. It names that state, and the command that
// takes the lab down there.
type HeldError = kind.HeldError

// RefuseHeld returns a *HeldError for a lab that another state than own made. Own
// knows nothing of it: up would create the clusters again, and destroy would leave the
// other state with resources that are gone. It fails where the daemon that has the lab does
// not answer; see recovery.Mark.
func RefuseHeld(ctx context.Context, own kind.State, lab recovery.Mark) error {
	client, owner, err := lab.Open(ctx)
	if err != nil || owner == nil {
		return err
	}
	networks, err := owner.Networks(ctx, client)
	if err != nil {
		return err
	}
	for _, n := range networks {
		if err := own.Refuse(lab.Lab, n.Labels); err != nil {
			return err
		}
	}
	return nil
}
