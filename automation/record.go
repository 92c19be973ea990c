package automation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/meshwright/meshwright/automation/internal/workspace"
)

// Record is what a lab keeps about itself beside Pulumi's state (lab.json, format 1).
// The URL of a backend is the only secret that it may hold.
type Record struct {
	Version   int       `json:"version"`
	Lab       string    `json:"lab"`
	Stack     string    `json:"stack"`
	Artifacts string    `json:"artifacts"`
	Providers string    `json:"providers,omitempty"` // "" is ProvidersEmbedded
	Backend   string    `json:"backend,omitempty"`   // only when it is the user's own
	Created   time.Time `json:"created"`
	// Overrides are the keys of Options.Config that the lab may have been brought up
	// with. Their values may be secret.
	Overrides []string `json:"overrides,omitempty"`
}

func (l *Lab) record() (*Record, error) {
	data, err := os.ReadFile(l.recordFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("lab %s: %w", l.o.Name, err)
	}
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("lab %s: %s: %w", l.o.Name, l.recordFile(), err)
	}
	return &r, nil
}

func (l *Lab) writeRecord(r *Record) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return workspace.WriteFile(l.recordFile(), append(data, '\n'))
}

// Labs lists the labs kept under stateDir (see Options.StateDir), sorted.
func Labs(stateDir string) []string {
	files, _ := filepath.Glob(filepath.Join(stateDir, "labs", "*", "lab.json")) // the pattern is well formed
	var names []string
	for _, f := range files {
		names = append(names, filepath.Base(filepath.Dir(f)))
	}
	slices.Sort(names)
	return names
}
