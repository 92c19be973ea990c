package airgap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/meshwright/meshwright/internal/process"
	"github.com/meshwright/meshwright/internal/ui"
)

// engine brings the results of a list of steps up to date.
type engine struct {
	store store
	ui    *ui.Printer
	// lanes is how many steps that are not heavy run at once beside the heavy one.
	lanes int
	// sweep removes what a killed build left outside the store; nil for nothing.
	sweep func(context.Context) error
}

// StepError says which step failed, where its whole log is and how the log ended.
type StepError struct {
	Step string
	Log  string
	Tail string
	Err  error
}

func (e *StepError) Error() string {
	msg := fmt.Sprintf("step %s: %v", e.Step, e.Err)
	if e.Tail != "" {
		msg += "\n\nthe log ends:\n" + e.Tail
	}
	return msg + fmt.Sprintf("\n\nwhole log: %s\nto continue at this step, run: meshwright airgap build", e.Log)
}

func (e *StepError) Unwrap() error { return e.Err }

// result is a finished step.
type result struct {
	dir    string
	record *record
	built  bool // by this call
}

// build runs every step whose result is not stored, needs first, and returns all
// results by name. A failed or cancelled build keeps the results that are
// finished, and the next call continues from there. Only one build runs per store.
func (e *engine) build(ctx context.Context, steps []Step) (map[string]result, error) {
	key, err := keys(steps)
	if err != nil {
		return nil, err
	}
	if done, err := e.stored(steps, key); err != nil || len(done) == len(steps) {
		return done, err
	}
	unlock, err := e.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := e.store.sweep(); err != nil {
		return nil, err
	}
	if e.sweep != nil {
		if err := e.sweep(ctx); err != nil {
			return nil, fmt.Errorf("remove what an earlier build left: %w", err)
		}
	}
	// Another build may have done the work while this one waited.
	done, err := e.stored(steps, key)
	if err != nil {
		return nil, err
	}
	return e.run(ctx, steps, key, done)
}

// stored returns the results that exist and are complete.
func (e *engine) stored(steps []Step, key map[string]string) (map[string]result, error) {
	done := make(map[string]result, len(steps))
	for _, s := range steps {
		state, r, err := e.state(s, key[s.Name])
		if err != nil {
			return nil, err
		}
		if state == StateReady {
			done[s.Name] = result{dir: e.store.stepDir(s.Name, key[s.Name]), record: r}
		}
	}
	return done, nil
}

// run executes what is not done: at most one heavy step and e.lanes others at once.
func (e *engine) run(ctx context.Context, steps []Step, key map[string]string, done map[string]result) (map[string]result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		step   Step
		result result
		err    error
	}
	ended := make(chan outcome)
	started := map[string]bool{}
	limit, running := map[bool]int{true: 1, false: e.lanes}, map[bool]int{} // by Heavy
	absent := func(step string) bool { _, ok := done[step]; return !ok }
	var first error
	for {
		for _, s := range steps {
			if !absent(s.Name) || started[s.Name] || first != nil || ctx.Err() != nil ||
				slices.ContainsFunc(s.Needs, absent) || running[s.Heavy] >= limit[s.Heavy] {
				continue
			}
			started[s.Name] = true
			running[s.Heavy]++
			inputs := make(map[string]string, len(s.Needs))
			for _, n := range s.Needs {
				inputs[n] = done[n].dir
			}
			go func() {
				r, err := e.runStep(ctx, s, key[s.Name], inputs)
				ended <- outcome{s, r, err}
			}()
		}
		if running[true]+running[false] == 0 {
			break
		}
		o := <-ended
		running[o.step.Heavy]--
		if o.err != nil {
			// The first failure is the cause; what it cancels is not reported.
			if first == nil {
				first = o.err
			}
			cancel()
			continue
		}
		done[o.step.Name] = o.result
	}
	if first == nil && len(done) < len(steps) {
		first = ctx.Err()
	}
	return done, first
}

func (e *engine) runStep(ctx context.Context, s Step, key string, inputs map[string]string) (result, error) {
	progress := e.ui.Start(s.Title)
	r, err := e.execute(ctx, s, key, inputs, progress.Update)
	if err != nil {
		progress.Fail(err)
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			return result{}, fmt.Errorf("step %s was interrupted: %w; to continue at it, run: meshwright airgap build", s.Name, ctx.Err())
		}
		return result{}, err
	}
	progress.Done("")
	return result{dir: e.store.stepDir(s.Name, key), record: r, built: true}, nil
}

func (e *engine) execute(ctx context.Context, s Step, key string, inputs map[string]string, update func(string)) (_ *record, err error) {
	logPath := e.store.logPath(s.Name)
	if err := os.MkdirAll(filepath.Dir(logPath), 0o755); err != nil { //nolint:gosec // the cache holds no secret
		return nil, err
	}
	log, err := os.Create(logPath) //nolint:gosec // our own log
	if err != nil {
		return nil, err
	}
	defer log.Close()
	dir, err := e.store.workDir(s.Name)
	if err != nil {
		return nil, err
	}
	temp, err := e.store.workDir(s.Name + "-temp")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	defer os.RemoveAll(dir) // a commit has moved it

	begin := time.Now()
	err = s.Action.Run(ctx, &Run{
		Dir: dir, Temp: temp, Cache: e.store.root, Key: key, Log: log, Update: update, results: inputs,
	})
	if ctx.Err() != nil {
		err = errors.Join(ctx.Err(), err)
	}
	if err != nil {
		fmt.Fprintln(log, "error:", err)
		return nil, &StepError{Step: s.Name, Log: logPath, Tail: tail(logPath, 20), Err: err}
	}
	return e.store.commit(dir, record{
		Step: s.Name, Key: key, Seconds: time.Since(begin).Seconds(), Finished: time.Now().UTC(),
	})
}

// lock takes the store's build lock and waits for another build until ctx ends.
func (e *engine) lock(ctx context.Context) (unlock func(), err error) {
	unlock, err = process.Lock(ctx, filepath.Join(e.store.root, "lock"), 0o644, func() {
		e.ui.Info("another process builds the kit; waiting for it")
	})
	if err != nil {
		err = fmt.Errorf("wait for another build of the kit: %w", err)
	}
	return unlock, err
}
