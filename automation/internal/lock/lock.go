// Package lock lets one operation at a time work on a lab, across all processes.
// It owns the lock's file and what the file says about the holder; who locks what,
// and for how long, is the caller's business.
package lock

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/meshwright/meshwright/internal/process"
)

// LockedError says that another operation is at work on the lab.
type LockedError struct {
	Lab    string
	Holder Holder
}

// Holder is the process that holds a lab's lock.
type Holder struct {
	process.ID
	Operation string    `json:"operation"` // up, destroy, ...
	Since     time.Time `json:"since"`
}

func (e *LockedError) Error() string {
	if e.Holder.PID == 0 {
		return fmt.Sprintf("lab %s: another operation is running; wait for it or stop it", e.Lab)
	}
	return fmt.Sprintf("lab %s: `%s` is running in process %d since %s; wait for it, or stop it with: kill -INT %d",
		e.Lab, e.Holder.Operation, e.Holder.PID, e.Holder.Since.Local().Format("15:04:05"), e.Holder.PID)
}

// Lock is an exclusive flock(2). The kernel releases it with its process, so it
// is never stale; the text inside only tells other processes who holds it.
type Lock struct{ f *os.File }

// Acquire takes the lock file at path or fails at once with a *LockedError.
func Acquire(path, lab, operation string) (*Lock, error) {
	l, err := acquire(path, operation)
	var locked *LockedError
	switch {
	case errors.As(err, &locked):
		locked.Lab = lab
	case err != nil:
		err = fmt.Errorf("lock lab %s: %w", lab, err)
	}
	return l, err
}

func acquire(path, operation string) (*Lock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := process.TryLock(path, 0o600)
	if errors.Is(err, process.ErrLocked) {
		held := &LockedError{}
		data, _ := os.ReadFile(path) // without it the message has less detail
		// A holder that was killed leaves its text until the next one has written its own.
		if json.Unmarshal(data, &held.Holder) != nil || !held.Holder.Running() {
			held.Holder = Holder{}
		}
		return nil, held
	}
	if err != nil {
		return nil, err
	}
	l := &Lock{f: f}
	if err := l.sign(operation); err != nil {
		process.Unlock(f)
		return nil, err
	}
	return l, nil
}

func (l *Lock) sign(operation string) error {
	self, err := process.Identify(os.Getpid())
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	data, err := json.Marshal(Holder{ID: self, Operation: operation, Since: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	if err := l.f.Truncate(0); err != nil {
		return err
	}
	_, err = l.f.WriteAt(data, 0)
	return err
}

// Release gives the lock back. With remove its file goes too.
func (l *Lock) Release(remove bool) {
	if remove {
		os.Remove(l.f.Name())
	} else {
		_ = l.f.Truncate(0)
	}
	process.Unlock(l.f)
}
