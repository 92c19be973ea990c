package airgap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/ui"
)

// fake is an action that writes its own content and what it needs.
type fake struct {
	content string
	reads   []string
	runs    *runLog
	fail    func(ctx context.Context, r *Run) error
}

// runLog records which steps ran.
type runLog struct {
	mu   sync.Mutex
	list []string
}

func (l *runLog) add(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, name)
}

// take returns what ran since the last call, sorted.
func (l *runLog) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := slices.Clone(l.list)
	l.list = nil
	slices.Sort(out)
	return out
}

func (f fake) Inputs() any { return f.content }

func (f fake) Run(ctx context.Context, r *Run) error {
	f.runs.add(f.content)
	fmt.Fprintln(r.Log, "working on", f.content)
	if f.fail != nil {
		if err := f.fail(ctx, r); err != nil {
			return err
		}
	}
	text := f.content
	for _, n := range f.reads {
		data, err := os.ReadFile(r.Result(n, "out"))
		if err != nil {
			return err
		}
		text += "(" + string(data) + ")"
	}
	return os.WriteFile(filepath.Join(r.Dir, "out"), []byte(text), 0o600)
}

// diamond is a <- b, c <- d, and e apart.
func diamond(runs *runLog, content map[string]string) []Step {
	step := func(name string, needs ...string) Step {
		c := content[name]
		if c == "" {
			c = name
		}
		return Step{Name: name, Title: name, Needs: needs, Action: fake{content: c, reads: needs, runs: runs}}
	}
	return []Step{step("a"), step("b", "a"), step("c", "a"), step("d", "b", "c"), step("e")}
}

func testEngine(t *testing.T) *engine {
	t.Helper()
	return &engine{store: store{t.TempDir()}, lanes: 2}
}

func output(t *testing.T, results map[string]result, step string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(results[step].dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestBuildRunsNeedsFirstAndThenNothing(t *testing.T) {
	e, runs := testEngine(t), &runLog{}
	results, err := e.build(t.Context(), diamond(runs, nil))
	if err != nil {
		t.Fatal(err)
	}
	if got := output(t, results, "d"); got != "d(b(a))(c(a))" {
		t.Errorf("d is made of %q", got)
	}
	if diff := cmp.Diff([]string{"a", "b", "c", "d", "e"}, runs.take()); diff != "" {
		t.Error(diff)
	}
	results, err = e.build(t.Context(), diamond(runs, nil))
	if err != nil {
		t.Fatal(err)
	}
	if ran := runs.take(); len(ran) != 0 || results["d"].built {
		t.Errorf("an unchanged build ran %v", ran)
	}
}

func TestChangeRebuildsOnlyDependents(t *testing.T) {
	tests := map[string]struct {
		change map[string]string
		want   []string
	}{
		"a leaf":         {map[string]string{"d": "D"}, []string{"D"}},
		"one side":       {map[string]string{"b": "B"}, []string{"B", "d"}},
		"the root":       {map[string]string{"a": "A"}, []string{"A", "b", "c", "d"}},
		"what is apart":  {map[string]string{"e": "E"}, []string{"E"}},
		"nothing at all": {nil, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			e, runs := testEngine(t), &runLog{}
			if _, err := e.build(t.Context(), diamond(runs, nil)); err != nil {
				t.Fatal(err)
			}
			runs.take()
			if _, err := e.build(t.Context(), diamond(runs, tc.change)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, runs.take()); diff != "" {
				t.Error(diff)
			}
			// Going back costs nothing: the first results are still there.
			if _, err := e.build(t.Context(), diamond(runs, nil)); err != nil {
				t.Fatal(err)
			}
			if ran := runs.take(); len(ran) != 0 {
				t.Errorf("going back ran %v", ran)
			}
		})
	}
}

func TestFailedBuildResumesAtTheStep(t *testing.T) {
	e, runs := testEngine(t), &runLog{}
	steps := diamond(runs, nil)
	broken := errors.New("the compiler gave up")
	b := steps[1].Action.(fake)
	b.fail = func(_ context.Context, r *Run) error {
		if err := os.WriteFile(filepath.Join(r.Dir, "half"), nil, 0o600); err != nil {
			return err
		}
		for i := range 30 {
			fmt.Fprintln(r.Log, "line", i)
		}
		return broken
	}
	steps[1].Action = b
	_, err := e.build(t.Context(), steps)
	var failed *StepError
	if !errors.As(err, &failed) || !errors.Is(err, broken) {
		t.Fatalf("error %v", err)
	}
	for _, part := range []string{"step b", "line 29", "line 11", failed.Log, "meshwright airgap build"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not show %q:\n%v", part, err)
		}
	}
	if strings.Contains(err.Error(), "line 10\n") {
		t.Errorf("the error shows more than the log's end:\n%v", err)
	}
	if log, err := os.ReadFile(failed.Log); err != nil || !bytes.Contains(log, []byte("line 0\n")) {
		t.Errorf("the whole log is not at %s: %v", failed.Log, err)
	}
	runs.take()

	results, err := e.build(t.Context(), diamond(runs, nil))
	if err != nil {
		t.Fatal(err)
	}
	ran := runs.take()
	if slices.Contains(ran, "a") || !slices.Contains(ran, "b") || !slices.Contains(ran, "d") {
		t.Errorf("the second build ran %v", ran)
	}
	if _, err := os.Stat(filepath.Join(results["b"].dir, "half")); err == nil {
		t.Error("what the failed run left is part of the result")
	}
}

func TestCancelledBuildResumesAtTheStep(t *testing.T) {
	e, runs := testEngine(t), &runLog{}
	ctx, cancel := context.WithCancel(t.Context())
	steps := diamond(runs, nil)
	d := steps[3].Action.(fake)
	d.fail = func(ctx context.Context, _ *Run) error {
		cancel()
		<-ctx.Done()
		return nil // an action that does not notice must not count as finished
	}
	steps[3].Action = d
	if _, err := e.build(ctx, steps); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	runs.take()
	if _, err := e.build(t.Context(), diamond(runs, nil)); err != nil {
		t.Fatal(err)
	}
	if ran := runs.take(); !slices.Contains(ran, "d") || slices.Contains(ran, "a") {
		t.Errorf("the second build ran %v", ran)
	}
}

func TestDamagedResultIsBuiltAgain(t *testing.T) {
	tests := map[string]func(dir string) error{
		"file gone":      func(dir string) error { return os.Remove(filepath.Join(dir, "out")) },
		"file truncated": func(dir string) error { return os.Truncate(filepath.Join(dir, "out"), 0) },
		"record gone":    func(dir string) error { return os.Remove(filepath.Join(dir, recordFile)) },
		"record damaged": func(dir string) error { return os.WriteFile(filepath.Join(dir, recordFile), []byte("{"), 0o600) },
		"result gone":    os.RemoveAll,
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			e, runs := testEngine(t), &runLog{}
			results, err := e.build(t.Context(), diamond(runs, nil))
			if err != nil {
				t.Fatal(err)
			}
			runs.take()
			if err := damage(results["b"].dir); err != nil {
				t.Fatal(err)
			}
			if _, err := e.build(t.Context(), diamond(runs, nil)); err != nil {
				t.Fatal(err)
			}
			// The same inputs give the same key: what was made of it is still right.
			if diff := cmp.Diff([]string{"b"}, runs.take()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOneHeavyStepAtATime(t *testing.T) {
	e, runs := testEngine(t), &runLog{}
	var heavy, light, most, beside atomic.Int32
	work := func(n *atomic.Int32) func(context.Context, *Run) error {
		return func(context.Context, *Run) error {
			n.Add(1)
			defer n.Add(-1)
			most.Store(max(most.Load(), heavy.Load()))
			if heavy.Load() > 0 && light.Load() > 0 {
				beside.Store(1)
			}
			time.Sleep(20 * time.Millisecond)
			return nil
		}
	}
	var steps []Step
	for i := range 4 {
		h, l := fmt.Sprintf("heavy%d", i), fmt.Sprintf("light%d", i)
		steps = append(steps,
			Step{Name: h, Title: h, Heavy: true, Action: fake{content: h, runs: runs, fail: work(&heavy)}},
			Step{Name: l, Title: l, Action: fake{content: l, runs: runs, fail: work(&light)}})
	}
	if _, err := e.build(t.Context(), steps); err != nil {
		t.Fatal(err)
	}
	if most.Load() != 1 {
		t.Errorf("%d heavy steps ran at once", most.Load())
	}
	if beside.Load() != 1 {
		t.Error("no light step ran beside a heavy one")
	}
}

func TestSecondBuildWaitsForTheFirst(t *testing.T) {
	e, runs := testEngine(t), &runLog{}
	inside, goOn := make(chan struct{}), make(chan struct{})
	steps := func(block bool) []Step {
		f := fake{content: "a", runs: runs}
		if block {
			f.fail = func(context.Context, *Run) error { close(inside); <-goOn; return nil }
		}
		return []Step{{Name: "a", Title: "a", Action: f}}
	}
	first := make(chan error)
	go func() {
		_, err := e.build(t.Context(), steps(true))
		first <- err
	}()
	<-inside
	var talk bytes.Buffer
	second := &engine{store: e.store, lanes: 1, ui: ui.New(&talk, ui.Options{})}
	waited, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := second.build(waited, steps(false)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the second build did not wait: %v", err)
	}
	if !strings.Contains(talk.String(), "another process builds the kit") {
		t.Errorf("the user was told %q", talk.String())
	}
	close(goOn)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	if _, err := second.build(t.Context(), steps(false)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a"}, runs.take()); diff != "" {
		t.Error(diff)
	}
}

func TestBadStepLists(t *testing.T) {
	step := func(name string, needs ...string) Step {
		return Step{Name: name, Needs: needs, Action: fake{content: name}}
	}
	tests := map[string]struct {
		steps []Step
		says  string
	}{
		"twice":        {[]Step{step("a"), step("a")}, "twice"},
		"unknown need": {[]Step{step("a", "b")}, "does not come before"},
		"needs itself": {[]Step{step("a", "a")}, "does not come before"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := keys(tc.steps); err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestReadingAStepThatIsNotNeededPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a key that misses an input went unnoticed")
		}
	}()
	(&Run{results: map[string]string{"a": "/a"}}).Result("b")
}

func TestStatus(t *testing.T) {
	e, runs := testEngine(t), &runLog{}
	results, err := e.build(t.Context(), diamond(runs, nil)[:3])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(results["b"].dir, "out")); err != nil {
		t.Fatal(err)
	}
	got, err := e.status(diamond(runs, map[string]string{"c": "C"}))
	if err != nil {
		t.Fatal(err)
	}
	states := map[string]State{}
	for _, s := range got {
		states[s.Name] = s.State
	}
	want := map[string]State{"a": StateReady, "b": StateDamaged, "c": StateStale, "d": StateMissing, "e": StateMissing}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Error(diff)
	}
	if got[0].Size != 1 || got[0].Finished.IsZero() {
		t.Errorf("a ready step shows %+v", got[0])
	}
}

func TestPruneKeepsWhatIsInUseOrYoung(t *testing.T) {
	e, runs := testEngine(t), &runLog{}
	old, err := e.build(t.Context(), diamond(runs, map[string]string{"b": "old", "c": "young"}))
	if err != nil {
		t.Fatal(err)
	}
	now, err := e.build(t.Context(), diamond(runs, nil))
	if err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-48 * time.Hour)
	for _, dir := range []string{old["b"].dir, now["b"].dir} {
		if err := os.Chtimes(dir, past, past); err != nil {
			t.Fatal(err)
		}
	}
	key, err := keys(diamond(runs, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.store.prune(key, 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]bool{old["b"].dir: false, old["c"].dir: true, now["b"].dir: true} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s: kept %v, want %v", filepath.Base(dir), err == nil, want)
		}
	}
}

func BenchmarkNothingToDo(b *testing.B) {
	l, err := readLock()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := keys(recipe(l, "go")); err != nil {
			b.Fatal(err)
		}
	}
}
