package setup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Record is what setup has done to this machine, kept in setup.json in
// paths.DataDir (0600). The zero value is an untouched machine.
type Record struct {
	Version  int      `json:"version"` // of this format: 1
	Daemon   Process  `json:"daemon"`  // the dockerd that we started last
	Sysctls  []Sysctl `json:"sysctls,omitempty"`
	Packages []string `json:"packages,omitempty"` // installed by us, in order
	Network  *Network `json:"network,omitempty"`  // nil: the daemon was never started
}

// Network is what the machine's network was before our daemon started.
type Network struct {
	Boot          string `json:"boot"`
	Bridge        bool   `json:"bridge"`        // docker0 existed
	ForwardPolicy string `json:"forwardPolicy"` // of the filter table's FORWARD chain: "ACCEPT", "" when unknown
}

const recordVersion = 1

// readRecord returns the zero record on a machine that setup has not touched.
func (m Machine) readRecord() (Record, error) {
	data, err := os.ReadFile(m.recordFile())
	if errors.Is(err, fs.ErrNotExist) {
		return Record{Version: recordVersion}, nil
	}
	if err != nil {
		return Record{}, err
	}
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return Record{}, fmt.Errorf("%s is damaged: %w\nmove it away and run `meshwright setup` again", m.recordFile(), err)
	}
	if r.Version != recordVersion {
		return Record{}, fmt.Errorf("%s has format %d and this meshwright knows %d\nuse the meshwright that wrote it", m.recordFile(), r.Version, recordVersion)
	}
	return r, nil
}

func (m Machine) writeRecord(r Record) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return writeFileAtomic(m.recordFile(), append(data, '\n'), 0o600)
}

// writeFileAtomic replaces a file's content so that a crash leaves the old or
// the new one, never a part.
func writeFileAtomic(path string, data []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it is gone after the rename
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}
