package airgap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/meshwright/meshwright/internal/ui"
	"golang.org/x/sys/unix"
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
	return msg + fmt.Sprintf("\n\nwhole log: %s\nrun `meshwright airgap build` again to go on at this step", e.Log)
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
// finished; the next call goes on from there. Only one build runs per store.
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

// stored returns the results that are there. A damaged one counts as absent.
func (e *engine) stored(steps []Step, key map[string]string) (map[string]result, error) {
	done := make(map[string]result, len(steps))
	for _, s := range steps {
		r, err := e.store.lookup(s.Name, key[s.Name])
		switch {
		case err == nil:
			if c, ok := s.Action.(checker); ok && c.Check(e.store.stepDir(s.Name, key[s.Name])) != nil {
				continue
			}
			done[s.Name] = result{dir: e.store.stepDir(s.Name, key[s.Name]), record: r}
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, errIncomplete):
		default:
			return nil, fmt.Errorf("look up step %s: %w", s.Name, err)
		}
	}
	return done, nil
}

// checker is an action whose result is partly elsewhere, such as an image in the
// Docker daemon; Check reports that it is gone.
type checker interface{ Check(dir string) error }

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
	heavy, light := 0, 0
	var first error
	for {
		for _, s := range steps {
			_, finished := done[s.Name]
			if finished || started[s.Name] || first != nil || ctx.Err() != nil || !ready(s, done) {
				continue
			}
			if s.Heavy && heavy > 0 || !s.Heavy && light >= e.lanes {
				continue
			}
			started[s.Name] = true
			if s.Heavy {
				heavy++
			} else {
				light++
			}
			inputs := make(map[string]string, len(s.Needs))
			for _, n := range s.Needs {
				inputs[n] = done[n].dir
			}
			go func() {
				r, err := e.runStep(ctx, s, key[s.Name], inputs)
				ended <- outcome{s, r, err}
			}()
		}
		if heavy+light == 0 {
			break
		}
		o := <-ended
		if o.step.Heavy {
			heavy--
		} else {
			light--
		}
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

func ready(s Step, done map[string]result) bool {
	for _, n := range s.Needs {
		if _, ok := done[n]; !ok {
			return false
		}
	}
	return true
}

func (e *engine) runStep(ctx context.Context, s Step, key string, inputs map[string]string) (result, error) {
	progress := e.ui.Start(s.Title)
	r, err := e.execute(ctx, s, key, inputs, progress.Update)
	if err != nil {
		progress.Fail(errors.New(firstLine(err.Error())))
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			return result{}, fmt.Errorf("step %s was interrupted: %w; run `meshwright airgap build` to go on at it", s.Name, ctx.Err())
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
	defer os.RemoveAll(dir) // gone already after a commit

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

// lock takes the store's build lock. It waits for another build, which the user
// is told of, until ctx ends. The kernel drops the lock with the process.
func (e *engine) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(e.store.root, 0o755); err != nil { //nolint:gosec // the cache holds no secret
		return nil, fmt.Errorf("make the kit's cache: %w", err)
	}
	path := filepath.Join(e.store.root, "lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644) //nolint:gosec // our own lock
	if err != nil {
		return nil, fmt.Errorf("open the kit's lock: %w", err)
	}
	told := false
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) //nolint:gosec // a descriptor fits an int
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !told {
			e.ui.Info("another process builds the kit; waiting for it")
			told = true
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("wait for another build of the kit: %w", ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func firstLine(s string) string {
	for i, c := range s {
		if c == '\n' {
			return s[:i]
		}
	}
	return s
}
