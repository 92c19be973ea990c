package automation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// LockedError says that another operation is at work on the lab.
type LockedError struct {
	Lab    string
	Holder Holder
}

// Holder is the process that holds a lab's lock.
type Holder struct {
	PID       int       `json:"pid"`
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

// lock is an exclusive flock(2). The kernel drops it with its process, so it
// is never stale; the text inside only tells others who holds it.
type lock struct{ f *os.File }

// acquire takes the lock file at path or fails at once with a *LockedError.
func acquire(path, lab, operation string) (*lock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("lock lab %s: %w", lab, err)
	}
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, fmt.Errorf("lock lab %s: %w", lab, err)
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) {
			held := &LockedError{Lab: lab}
			data, _ := io.ReadAll(f) // without it the message merely says less
			_ = json.Unmarshal(data, &held.Holder)
			f.Close()
			return nil, held
		}
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("lock lab %s: %w", lab, err)
		}
		// A holder that removed the file leaves others locking a file that no
		// longer has a name: only a lock on the named file counts.
		if !sameFile(f, path) {
			f.Close()
			continue
		}
		l := &lock{f: f}
		if err := l.sign(operation); err != nil {
			f.Close()
			return nil, fmt.Errorf("lock lab %s: %w", lab, err)
		}
		return l, nil
	}
}

func (l *lock) sign(operation string) error {
	data, err := json.Marshal(Holder{PID: os.Getpid(), Operation: operation, Since: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	if err := l.f.Truncate(0); err != nil {
		return err
	}
	_, err = l.f.WriteAt(data, 0)
	return err
}

// release gives the lock back. With remove its file goes too.
func (l *lock) release(remove bool) {
	if remove {
		os.Remove(l.f.Name())
	} else {
		_ = l.f.Truncate(0)
	}
	l.f.Close()
}

func sameFile(f *os.File, path string) bool {
	open, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(open, named)
}
