package automation

import (
	"context"
	"fmt"

	"github.com/meshwright/meshwright/automation/internal/backend"
)

// operation is one thing to do with a lab. Each is declared beside its function.
type operation struct {
	// name is the operation's in events, in errors and in the lab's lock.
	name string
	// needsLab: it takes the lab as it is, which must exist. The others create what is
	// missing and bring the workspace up to date with the settings.
	needsLab bool
	// runsProgram: its program installs charts, which must be those of the lock file.
	runsProgram bool
	// readOnly: it changes nothing and leaves nothing behind of a lab that is new.
	// Images that are not locked are named by tag where there is no registry to ask.
	readOnly bool
	// makesNodes: it needs a Docker that answers, which it asks first.
	makesNodes bool
	// removes: it leaves no resources, so that there is nothing to keep.
	removes bool
	// recovers takes up what a killed engine left open in the state. nil leaves it.
	recovers func(context.Context, *session) error
}

// forgetPending recovers a state on which the program, or a refresh, goes on.
func forgetPending(ctx context.Context, s *session) error {
	return backend.ForgetPending(ctx, &s.stack)
}

// sweepPending recovers a state that is to be destroyed: a creation that was cut short
// left what the state does not know, such as a node on the network that is to go.
func sweepPending(ctx context.Context, s *session) error {
	if err := forgetPending(ctx, s); err != nil {
		return err
	}
	if _, err := s.lab.sweep(ctx, s.lab.mark()); err != nil {
		return fmt.Errorf("look for leftovers of lab %s: %w", s.lab.o.Name, err)
	}
	return nil
}
