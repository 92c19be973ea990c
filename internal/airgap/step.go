package airgap

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
)

// Step is one unit of work whose result can be stored and used again. What it
// depends on is data: its action's inputs and the keys of the steps it needs.
type Step struct {
	// Name is unique among the steps and a valid file name.
	Name string
	// Title is what the user reads while the step runs.
	Title string
	// Needs are the names of the steps whose results the action reads.
	Needs []string
	// Heavy steps use every core and much memory: one runs at a time.
	Heavy bool
	// Action does the work.
	Action Action
}

// Action is what a step does.
type Action interface {
	// Inputs is everything, besides the needed steps, that the result is made
	// from. It is marshalled to JSON, so it must be plain data; a change of it
	// makes the step, and whatever needs it, run again.
	Inputs() any
	// Run writes the result into r.Dir. It may be called again after a failure
	// or a kill, always with an empty directory.
	Run(ctx context.Context, r *Run) error
}

// Run is what an action may use.
type Run struct {
	// Dir is empty and becomes the stored result when the action succeeds.
	Dir string
	// Temp is an empty scratch directory, removed afterwards.
	Temp string
	// Cache is the directory of all results.
	Cache string
	// Key is the step's key in full.
	Key string
	// Log receives the output of everything the step runs.
	Log io.Writer
	// Update replaces the detail shown on the step's progress line.
	Update func(detail string)

	results map[string]string
}

// Result is the directory that holds the result of a step this one needs,
// joined with the elements of a path inside it.
func (r *Run) Result(step string, elem ...string) string {
	dir, ok := r.results[step]
	if !ok {
		// The step's key would miss an input: a fault of the recipe.
		panic(fmt.Sprintf("airgap: step result %q is read but not needed", step))
	}
	return filepath.Join(append([]string{dir}, elem...)...)
}

// keys computes the key of every step: a hash over its name, the type and inputs
// of its action, and the keys of what it needs. The order of steps must be one in which
// needs come first; an unknown or later need is an error.
func keys(steps []Step) (map[string]string, error) {
	out := make(map[string]string, len(steps))
	for _, s := range steps {
		if _, twice := out[s.Name]; twice {
			return nil, fmt.Errorf("step %s is listed twice", s.Name)
		}
		needs := make(map[string]string, len(s.Needs))
		for _, n := range s.Needs {
			key, ok := out[n]
			if !ok {
				return nil, fmt.Errorf("step %s needs %s, which does not come before it", s.Name, n)
			}
			needs[n] = key
		}
		data, err := json.Marshal(struct {
			Engine   int
			Name     string
			Action   string
			Revision int `json:",omitempty"`
			Inputs   any
			Needs    map[string]string
		}{engineRevision, s.Name, fmt.Sprintf("%T", s.Action), revisionOf(s.Action), s.Action.Inputs(), needs})
		if err != nil {
			return nil, fmt.Errorf("inputs of step %s: %w", s.Name, err)
		}
		sum := sha256.Sum256(data)
		out[s.Name] = hex.EncodeToString(sum[:])
	}
	return out, nil
}

// revisionOf is 0, or the action's own. An action raises its revision when its code
// makes something else of the same inputs.
func revisionOf(a Action) int {
	if r, ok := a.(interface{ revision() int }); ok {
		return r.revision()
	}
	return 0
}

// engineRevision goes into every key. Raise it when the engine itself changes
// what results look like.
const engineRevision = 1

// shortKey is how much of a key names a directory or an image.
func shortKey(key string) string { return key[:12] }
