// Package passphrase keeps the passphrase that encrypts the secrets of a lab's state.
// It owns the file and its mode; the engine alone reads it.
package passphrase

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/meshwright/meshwright/automation/internal/workspace"
	"github.com/meshwright/meshwright/report"
)

// ErrLost says that there is a state that cannot be decrypted without its passphrase.
var ErrLost = errors.New("the passphrase of the lab's state is missing")

// Ensure creates the lab's passphrase file (0600) unless it exists. It returns ErrLost
// when there is a state already, whose secrets a new passphrase could not decrypt.
func Ensure(file string, stateExists bool) error {
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
		return report.WithRemedies(fmt.Errorf("%w: put it back at %s", ErrLost, file),
			report.Remedy{Text: "or remove the lab without its state", Operation: report.OperationForce})
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	return workspace.WriteFile(file, []byte(base64.RawURLEncoding.EncodeToString(key)))
}
