package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Lock takes the lock file at path, which it creates with the mode, and returns what gives
// the lock back. If another process holds it, Lock calls waiting once and waits until ctx
// ends. The kernel releases the lock when its process ends. The holder may remove the file.
func Lock(ctx context.Context, path string, mode fs.FileMode, waiting func()) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // a lock is no secret
		return nil, err
	}
	for first := true; ; first = false {
		f, err := TryLock(path, mode)
		switch {
		case err == nil:
			return func() { Unlock(f) }, nil
		case !errors.Is(err, ErrLocked):
			return nil, fmt.Errorf("locking %s: %w", path, err)
		case first:
			waiting()
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// ErrLocked says that another process holds a lock.
var ErrLocked = errors.New("another process holds the lock")

// TryLock takes the lock file at path, which it creates with the mode, or fails at once
// with ErrLocked. Unlock gives the lock back.
func TryLock(path string, mode fs.FileMode) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, mode) //nolint:gosec // the caller's choice
		if err != nil {
			return nil, err
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) //nolint:gosec // a descriptor fits an int
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(ErrLocked, f.Close())
		}
		opened, statErr := f.Stat()
		if err = errors.Join(err, statErr); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if named, err := os.Stat(path); err == nil && os.SameFile(opened, named) {
			return f, nil
		}
		// The holder removed the file after it was opened here. A lock counts only on
		// the file that has the name now.
		Unlock(f)
	}
}

// Unlock gives back a lock of TryLock's. Closing the file alone would leave the lock to a
// child that another goroutine has forked and that has not yet executed its program.
func Unlock(f *os.File) {
	_ = unix.Flock(int(f.Fd()), unix.LOCK_UN) //nolint:gosec // a descriptor fits an int
	f.Close()
}
