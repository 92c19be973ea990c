package automation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optremove"

	"github.com/meshwright/meshwright/automation/internal/backend"
	"github.com/meshwright/meshwright/automation/internal/engine"
)

// undoGrace bounds the look at what an operation leaves that was cancelled.
const undoGrace = 3 * time.Second

// entries are the names of what a directory has; nil when there is no such directory.
func entries(dir string) (map[string]bool, error) {
	found, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	names := map[string]bool{}
	for _, e := range found {
		names[e.Name()] = true
	}
	return names, err
}

// left is what there is of the stack when the operation ends. In a backend that it made
// itself there is no other.
func (s *session) left(ctx context.Context) (snap backend.Snapshot, exists bool, err error) {
	l := s.lab
	switch {
	case s.op.readOnly: // it was in a backend of its own
		return snap, false, nil
	case l.o.Backend != "" || s.kept["backend"]:
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoGrace)
		defer cancel()
		return l.held(ctx)
	}
	snap, err = backend.ReadLocal(l.backendDir(), l.o.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return snap, false, nil
	}
	return snap, true, err
}

// undo removes what the operation made of a lab that had no stack, unless the stack
// has something by now, or it is not known whether it has. What was in the lab's
// directory before stays: an owner file, by which another state's resources are marked,
// or a passphrase and backups. undo returns err, or what the removal met, and reports
// whether the directory is gone.
func (s *session) undo(ctx context.Context, err error) (gone bool, _ error) {
	l := s.lab
	snap, exists, leftErr := s.left(ctx)
	if leftErr != nil || !snap.Empty() {
		return false, err
	}
	if exists && l.o.Backend != "" {
		ws, wsErr := l.reader(ctx)
		if wsErr == nil {
			wsErr = ws.RemoveStack(ctx, l.o.Name, optremove.Force()) // of the stack's own resource
		}
		if wsErr != nil {
			l.o.Log.Warn("an empty stack is left", "lab", l.o.Name, "err", engine.Readable(wsErr))
			return false, err
		}
	}
	made, rmErr := entries(l.Dir())
	for name := range made {
		if !s.kept[name] {
			rmErr = errors.Join(rmErr, os.RemoveAll(filepath.Join(l.Dir(), name)))
		}
	}
	if s.kept == nil && rmErr == nil {
		rmErr = os.RemoveAll(l.Dir())
	}
	if rmErr != nil && err == nil {
		err = fmt.Errorf("lab %s: %w", l.o.Name, rmErr)
	}
	return !isDir(l.Dir()), err
}
