package passphrase

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestPassphrase(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passphrase")
	if err := Ensure(file, true); !errors.Is(err, ErrLost) {
		t.Errorf("state without passphrase: %v", err)
	}
	if err := Ensure(file, false); err != nil {
		t.Fatal(err)
	}
	one, _ := os.ReadFile(file)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 || len(one) < 40 {
		t.Errorf("passphrase of %d bytes, %v, %v", len(one), info, err)
	}
	if err := Ensure(file, false); err != nil {
		t.Fatal(err)
	}
	if two, _ := os.ReadFile(file); string(one) != string(two) {
		t.Error("the passphrase was replaced")
	}
}
