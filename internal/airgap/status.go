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
		state, r, err := e.state(s, key[s.Name])
		if err != nil {
			return nil, err
		}
		out = append(out, StepStatus{
			Name: s.Name, State: state, Key: key[s.Name], Size: r.size(), Seconds: r.Seconds, Finished: r.Finished,
		})
	}
	return out, nil
}

// checker is an action whose result is partly elsewhere, such as an image in the
// Docker daemon. Check returns an error when that part is gone.
type checker interface{ Check(dir string) error }

// state looks up a step's result. The record is empty where there is none.
func (e *engine) state(s Step, key string) (State, *record, error) {
	r, err := e.store.lookup(s.Name, key)
	switch c, partly := s.Action.(checker); {
	case errors.Is(err, errIncomplete):
		return StateDamaged, &record{}, nil
	case errors.Is(err, fs.ErrNotExist) && e.store.hasOther(s.Name):
		return StateStale, &record{}, nil
	case errors.Is(err, fs.ErrNotExist):
		return StateMissing, &record{}, nil
	case err != nil:
		return "", nil, fmt.Errorf("look up step %s: %w", s.Name, err)
	case partly && c.Check(e.store.stepDir(s.Name, key)) != nil:
		return StateDamaged, r, nil
	}
	return StateReady, r, nil
}
