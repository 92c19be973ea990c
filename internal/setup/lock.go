package setup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockFile is outside the directories that Clean removes.
const lockFile = "/run/lock/meshwright.lock"

// lock lets one set-up or clean-up at a time change the machine; waiting is
// called once if another has to end first. The kernel releases the lock when
// the process ends, however it ends.
func (m Machine) lock(ctx context.Context, waiting func()) (unlock func(), err error) {
	if err := os.MkdirAll(m.path("/run/lock"), 0o755); err != nil {
		return nil, err
	}
	for first := true; ; first = false {
		f, err := m.tryLock()
		if err != nil {
			return nil, err
		}
		if f != nil {
			return func() { f.Close() }, nil
		}
		if first {
			waiting()
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for another set-up: %w", context.Cause(ctx))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// tryLock returns nil when another process holds the lock, or has just removed
// the file that was opened here: Clean removes it at its end.
func (m Machine) tryLock() (*os.File, error) {
	f, err := os.OpenFile(m.path(lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		closed := f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, closed
		}
		return nil, errors.Join(fmt.Errorf("locking %s: %w", f.Name(), err), closed)
	}
	mine, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if there, err := os.Stat(f.Name()); err != nil || !os.SameFile(mine, there) {
		return nil, f.Close()
	}
	return f, nil
}
