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
		f, err := tryLock(path, mode)
		if err != nil {
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		if f != nil {
			return func() { f.Close() }, nil
		}
		if first {
			waiting()
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// tryLock returns nil when another process holds the lock, or has removed the file
// since it was opened here: only a lock on the file that has the name counts.
func tryLock(path string, mode fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, mode) //nolint:gosec // the caller's choice
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) //nolint:gosec // a descriptor fits an int
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, f.Close()
	}
	opened, statErr := f.Stat()
	if err = errors.Join(err, statErr); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if named, err := os.Stat(path); err != nil || !os.SameFile(opened, named) {
		return nil, f.Close()
	}
	return f, nil
}
