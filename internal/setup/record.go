package setup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/internal/process"
	"github.com/meshwright/meshwright/internal/ui"
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
	// Before are the packet filter's rules from before our daemon started, and Made those
	// that it added. Made is nil until that is known; then nothing of them is ours.
	Before Rules `json:"before,omitempty"`
	Made   Rules `json:"made,omitempty"`
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
	if err := os.MkdirAll(m.path(paths.DataDir), 0o711); err != nil {
		return err
	}
	return writeFileAtomic(m.recordFile(), append(data, '\n'), 0o600)
}

// writeFileAtomic replaces a file's content so that a crash leaves the old or
// the new one, never a part.
func writeFileAtomic(path string, data []byte, mode os.FileMode) error {
	return renameio.WriteFile(path, data, mode, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(mode))
}

// lockFile is outside the directories that Clean removes.
const lockFile = "/run/lock/meshwright.lock"

// lock lets one set-up or clean-up at a time change the machine.
func (m Machine) lock(ctx context.Context, p *ui.Printer) (unlock func(), err error) {
	unlock, err = process.Lock(ctx, m.path(lockFile), 0o600, func() {
		p.Info("another meshwright is setting up this machine; waiting for it")
	})
	if err != nil {
		err = fmt.Errorf("waiting for another set-up: %w", err)
	}
	return unlock, err
}
