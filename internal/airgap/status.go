package airgap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// State of a step's result.
type State string

// The states of a step.
const (
	StateReady   State = "ready"   // stored and complete
	StateStale   State = "stale"   // to be built; an older version of it is stored
	StateMissing State = "missing" // to be built
	StateDamaged State = "damaged" // stored, but files or the image are gone
)

// StepStatus describes one step of the kit.
type StepStatus struct {
	Name     string    `json:"name"`
	State    State     `json:"state"`
	Key      string    `json:"key"`
	Size     int64     `json:"size"`              // bytes on disk; 0 unless ready
	Seconds  float64   `json:"seconds,omitempty"` // wall time that building it took
	Finished time.Time `json:"finished,omitzero"`
}

// Status lists the kit's steps in building order. It changes nothing.
func Status(ctx context.Context, o Options) ([]StepStatus, error) {
	o = o.withDefaults()
	_, steps, err := load(ctx)
	if err != nil {
		return nil, err
	}
	return (&engine{store: store{o.CacheDir}}).status(steps)
}

func (e *engine) status(steps []Step) ([]StepStatus, error) {
	key, err := keys(steps)
	if err != nil {
		return nil, err
	}
	out := make([]StepStatus, 0, len(steps))
	for _, s := range steps {
		st := StepStatus{Name: s.Name, Key: key[s.Name]}
		r, err := e.store.lookup(s.Name, key[s.Name])
		switch {
		case errors.Is(err, errIncomplete):
			st.State = StateDamaged
		case errors.Is(err, fs.ErrNotExist):
			st.State = StateMissing
			if e.store.hasOther(s.Name) {
				st.State = StateStale
			}
		case err != nil:
			return nil, fmt.Errorf("look up step %s: %w", s.Name, err)
		default:
			st.State, st.Size, st.Seconds, st.Finished = StateReady, r.size(), r.Seconds, r.Finished
			if c, ok := s.Action.(checker); ok && c.Check(e.store.stepDir(s.Name, key[s.Name])) != nil {
				st.State = StateDamaged
			}
		}
		out = append(out, st)
	}
	return out, nil
}
