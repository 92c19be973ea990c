package automation

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ErrPassphraseLost says that state exists which nothing can decrypt any more.
var ErrPassphraseLost = errors.New("the passphrase of the lab's state is missing")

// ensurePassphrase makes the lab's passphrase file (0600) unless it is there.
// A new passphrase beside old state would lock the state's secrets away for
// good, so that is refused, in an error that names the way out with the lab's flags.
func ensurePassphrase(file string, stateExists bool, flags string) error {
	info, err := os.Stat(file)
	switch {
	case err == nil && info.Size() > 0:
		if info.Mode().Perm()&0o077 != 0 {
			return os.Chmod(file, 0o600)
		}
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("passphrase: %w", err)
	case stateExists:
		return fmt.Errorf("%w: put it back at %s, or remove the lab without its state: meshwright destroy --force%s", ErrPassphraseLost, file, flags)
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return fmt.Errorf("passphrase: %w", err)
	}
	return writeFile(file, []byte(base64.RawURLEncoding.EncodeToString(key)))
}

// writeFile replaces a private file in one step: a reader, and a crash, see the
// old content or the new, never half of it.
func writeFile(path string, data []byte) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
	}
	return err
}
