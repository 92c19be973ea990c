package automation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"al.essio.dev/pkg/shellescape"

	"github.com/meshwright/meshwright/automation/internal/backend"
	"github.com/meshwright/meshwright/automation/internal/passphrase"
	"github.com/meshwright/meshwright/report"
)

// stackExists reports whether the lab has a stack. A file that the engine would take
// for it is proof enough; that there is none, the engine alone can say: it may be under
// another name, or in another project. That is a *StacksError.
func (l *Lab) stackExists(ctx context.Context) (bool, error) {
	if l.o.Backend == "" {
		_, err := backend.Find(l.backendDir(), l.o.Name)
		if !errors.Is(err, fs.ErrNotExist) {
			return err == nil, err
		}
		if !isDir(l.backendDir()) {
			return false, nil
		}
	} else if r, err := l.record(); r == nil {
		return false, err // a stack of that name is not this lab's; see refuseTaken
	}
	found, others, err := l.stacks(ctx)
	if err == nil && !found && len(others) > 0 {
		err = l.stacksError(others)
	}
	return found, err
}

// stacks asks the engine whether the lab's backend has its stack, and for the names of
// the others there: of the lab's own backend all, of the user's those of the project.
func (l *Lab) stacks(ctx context.Context) (found bool, others []string, err error) {
	ws, err := l.reader(ctx)
	if err == nil {
		found, others, err = backend.Stacks(ctx, ws, l.o.Name, l.o.Backend == "")
	}
	if err != nil {
		return false, nil, report.WithRemedies(fmt.Errorf("state of lab %s: %w", l.o.Name, err),
			report.Remedy{Text: "if that state is lost, to remove the lab without it", Operation: report.OperationForce})
	}
	return found, others, nil
}

// refuseTaken keeps a new lab from the stack of another one in the user's backend.
func (l *Lab) refuseTaken(ctx context.Context) error {
	ws, err := l.reader(ctx)
	if err != nil {
		return err
	}
	found, _, err := backend.Stacks(ctx, ws, l.o.Name, false)
	if err != nil {
		return fmt.Errorf("backend of lab %s: %w", l.o.Name, err)
	}
	if found {
		return report.WithRemedies(fmt.Errorf("%s has a stack %s already, which is no lab's on this machine", l.stateOf().Backend, l.o.Name),
			report.Remedy{Text: "choose another name", Option: "Name"})
	}
	return nil
}

// snapshot is what the lab's state holds. The lab must have one.
func (l *Lab) snapshot(ctx context.Context) (backend.Snapshot, error) {
	if l.o.Backend == "" {
		snap, err := backend.ReadLocal(l.backendDir(), l.o.Name)
		if !errors.Is(err, fs.ErrNotExist) { // else it is in an older layout
			return snap, err
		}
	}
	if err := passphrase.Ensure(l.passphraseFile(), true); err != nil {
		return backend.Snapshot{}, err
	}
	ws, err := l.reader(ctx)
	if err != nil {
		return backend.Snapshot{}, err
	}
	return backend.Export(ctx, ws, l.o.Name)
}

// held is the snapshot of the lab's stack, and whether it has one.
func (l *Lab) held(ctx context.Context) (snap backend.Snapshot, exists bool, err error) {
	if exists, err = l.stackExists(ctx); !exists {
		return snap, false, err
	}
	if snap, err = l.snapshot(ctx); err != nil {
		err = fmt.Errorf("state of lab %s: %w", l.o.Name, err)
	}
	return snap, true, err
}

// StacksError says that the backend of a lab has other stacks where its own was
// expected, or beside it where the lab was to be removed. Nothing was changed.
type StacksError struct {
	Lab     string
	Backend string   // its URL, without credentials
	Stacks  []string // as the pulumi command names them
	Beside  bool     // the lab's own stack is there too
	command string   // the pulumi command in the lab's workspace
}

func (l *Lab) stacksError(others []string) *StacksError {
	return &StacksError{
		Lab: l.o.Name, Backend: l.stateOf().Backend, Stacks: others,
		command: fmt.Sprintf("env -u PULUMI_CONFIG_PASSPHRASE PULUMI_BACKEND_URL=%s PULUMI_CONFIG_PASSPHRASE_FILE=%s pulumi -C %s",
			shellescape.Quote(l.backendURL()), shellescape.Quote(l.passphraseFile()), shellescape.Quote(l.Workspace())),
	}
}

func (e *StacksError) Error() string {
	names := strings.Join(e.Stacks, ", ")
	if e.Beside {
		return fmt.Sprintf("the state of lab %s (%s) also holds what is not the lab's: %s; nothing was changed", e.Lab, e.Backend, names)
	}
	return fmt.Sprintf("the state of lab %s (%s) has no stack %s, but: %s; nothing was changed", e.Lab, e.Backend, e.Lab, names)
}

// Remedies are to give the stack its name back, or to remove what is in the way.
func (e *StacksError) Remedies() []report.Remedy {
	first := report.Remedy{
		Text:    "if that is the lab's stack, give it its name back",
		Command: fmt.Sprintf("%s stack rename --stack %s organization/meshwright/%s", e.command, shellescape.Quote(e.Stacks[0]), e.Lab),
	}
	if e.Beside {
		first = report.Remedy{Text: "destroy and remove these first", Command: fmt.Sprintf("%s stack rm --stack %s", e.command, shellescape.Quote(e.Stacks[0]))}
	}
	return []report.Remedy{first, {Text: "or remove the lab with all its state", Operation: report.OperationForce}}
}

// refuseStacksBeside keeps the lab's directory, which has the keys to the states in it,
// from going while another stack needs it: one in the lab's own backend, or one of the
// user's that was made in the lab's workspace.
func (l *Lab) refuseStacksBeside(ctx context.Context) error {
	_, others, err := l.stacks(ctx)
	if err != nil {
		return err
	}
	if l.o.Backend != "" {
		others = slices.DeleteFunc(others, func(name string) bool {
			_, err := os.Stat(filepath.Join(l.Workspace(), "Pulumi."+path.Base(name)+".yaml"))
			return errors.Is(err, fs.ErrNotExist)
		})
	}
	if len(others) == 0 {
		return nil
	}
	e := l.stacksError(others)
	e.Beside = true
	return e
}
