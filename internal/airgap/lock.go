package airgap

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/meshwright/meshwright/airgap"
)

// lock is airgap/lock.json: exact versions, and checksums of what no module.sum
// covers. It has no addresses: the machine's own clients know them.
type lock struct {
	Version int `json:"version"`
	// Versions of what is compiled, by name; modules/<name>/module.mod must
	// agree, which a test checks.
	Versions map[string]string `json:"versions"`
	// Wheels are Python packages that hold executables.
	Wheels map[string]wheelPin `json:"wheels"`
	Debian struct {
		Suite string `json:"suite"`
		// Packages has the versions when the lock was written. A mirror has only
		// the newest, so a build takes another and reports it.
		Packages map[string]string `json:"packages"`
	} `json:"debian"`
}

// wheelPin is one Python package, by exact version and the SHA-256 of its file.
type wheelPin struct {
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
}

// lockFormat is the lock format that this program reads.
const lockFormat = 1

func readLock() (*lock, error) {
	data, err := airgap.Files.ReadFile("lock.json")
	if err != nil {
		return nil, err
	}
	return parseLock(data)
}

func parseLock(data []byte) (*lock, error) {
	var l lock
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		return nil, fmt.Errorf("airgap lock: %w", err)
	}
	if l.Version != lockFormat {
		return nil, fmt.Errorf("airgap lock: format %d, this program reads %d", l.Version, lockFormat)
	}
	return &l, nil
}
