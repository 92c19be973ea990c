package labtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/mesh/collect"
	"github.com/meshwright/meshwright/mesh/topology"
	"github.com/meshwright/meshwright/report"
	"github.com/meshwright/meshwright/stacks"
	"github.com/meshwright/meshwright/verify"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}

// fakeDriver remembers what is asked of it.
type fakeDriver struct {
	name    string
	up      error // what Up ends with
	slow    bool  // Up waits until it is cancelled
	destroy error
	locked  int // how many Destroys find the lab locked
	checks  []report.Result

	mu    sync.Mutex
	calls []string
}

func (d *fakeDriver) did(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, what)
}

func (d *fakeDriver) Name() string        { return d.name }
func (d *fakeDriver) ArchiveName() string { return d.name + ".tar.gz" }

func (d *fakeDriver) Up(ctx context.Context, _ ...automation.UpOption) (*automation.UpResult, error) {
	d.did("up")
	if d.slow {
		<-ctx.Done()
		return nil, &automation.InterruptedError{Operation: "up", Lab: d.name, Err: ctx.Err()}
	}
	if d.up != nil {
		return nil, d.up
	}
	return &automation.UpResult{Outputs: &automation.Outputs{Lab: d.name, Clusters: []automation.Cluster{
		{ClusterOutputs: stacks.ClusterOutputs{Cluster: topology.Cluster{Name: "cluster1"}, Kubeconfig: kubeconfig}},
	}}}, nil
}

func (d *fakeDriver) Verify(context.Context, verify.Options) (*report.Report, error) {
	return &report.Report{Checks: d.checks}, nil
}

func (d *fakeDriver) Collect(ctx context.Context, o automation.CollectOptions) (*collect.Index, error) {
	d.did("collect")
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return &collect.Index{}, os.WriteFile(o.Path, nil, 0o600)
}

func (d *fakeDriver) Destroy(ctx context.Context, _ ...automation.DestroyOption) (*automation.DestroyResult, error) {
	d.did("destroy")
	if d.locked > 0 {
		d.locked--
		return nil, &automation.LockedError{Lab: d.name}
	}
	return &automation.DestroyResult{}, errors.Join(ctx.Err(), d.destroy)
}

const kubeconfig = `apiVersion: v1
kind: Config
current-context: cluster1
clusters: [{name: k, cluster: {server: "https://127.0.0.1:6443"}}]
contexts: [{name: cluster1, context: {cluster: k, user: k}}]
users: [{name: k, user: {token: t}}]
`

// subject is a test that is itself under test: it fails, ends and cleans up as
// the real one does, without failing the test around it.
type subject struct {
	testing.TB

	ctx      context.Context
	cancel   context.CancelFunc
	deadline time.Time
	failed   bool
	log      []string
	cleanups []func()
}

func (s *subject) Name() string                { return "TestShop/sells_bread" }
func (s *subject) Helper()                     {}
func (s *subject) Context() context.Context    { return s.ctx }
func (s *subject) Deadline() (time.Time, bool) { return s.deadline, !s.deadline.IsZero() }
func (s *subject) Cleanup(f func())            { s.cleanups = append(s.cleanups, f) }
func (s *subject) Failed() bool                { return s.failed }
func (s *subject) Logf(f string, a ...any)     { s.log = append(s.log, fmt.Sprintf(f, a...)) }
func (s *subject) Errorf(f string, a ...any)   { s.Logf(f, a...); s.failed = true }
func (s *subject) Fatalf(f string, a ...any)   { s.Errorf(f, a...); runtime.Goexit() }

// run runs body as go test runs a test.
func (s *subject) run(body func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		body()
	}()
	<-done
	s.cancel()
	for i := len(s.cleanups) - 1; i >= 0; i-- {
		s.cleanups[i]()
	}
}

func newSubject(t *testing.T) *subject {
	s := &subject{TB: t}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

func with(d *fakeDriver) Option {
	return func(o *options) {
		o.open = func(_ context.Context, lab automation.Options) (driver, error) {
			d.name = lab.Name
			return d, nil
		}
	}
}

func TestLifeOfATestsLab(t *testing.T) {
	gone := &automation.NotUpError{Lab: "x"}
	for name, tc := range map[string]struct {
		driver *fakeDriver // nil: one where all goes well
		keep   string      // of the environment
		cancel bool        // soon after the start
		opts   []Option
		body   func(*subject, *Lab)
		want   []string
		failed bool
		says   string
	}{
		"passes":              {want: []string{"up", "destroy"}},
		"is locked at first":  {driver: &fakeDriver{locked: 2}, want: []string{"up", "destroy", "destroy", "destroy"}},
		"fails":               {body: func(s *subject, _ *Lab) { s.Errorf("no bread") }, want: []string{"up", "collect", "destroy"}, failed: true, says: "evidence is in"},
		"fails and keeps":     {opts: []Option{KeepOnFailure()}, body: func(s *subject, _ *Lab) { s.Errorf("no bread") }, want: []string{"up", "collect"}, failed: true, says: "meshwright destroy --stack dev --name shop-"},
		"keeps by variable":   {keep: "1", body: func(s *subject, _ *Lab) { s.Errorf("no bread") }, want: []string{"up", "collect"}, failed: true, says: "is kept"},
		"keeps no good lab":   {keep: "1", want: []string{"up", "destroy"}},
		"does not come up":    {driver: &fakeDriver{up: errors.New("no room")}, want: []string{"up", "collect", "destroy"}, failed: true, says: "no room"},
		"never began":         {driver: &fakeDriver{up: errors.New("bad settings"), destroy: gone}, want: []string{"up", "collect", "destroy"}, failed: true, says: "bad settings"},
		"cannot be destroyed": {driver: &fakeDriver{destroy: errors.New("stuck")}, want: []string{"up", "destroy"}, failed: true, says: "stuck"},
		"takes too long":      {driver: &fakeDriver{slow: true}, opts: []Option{Timeout(10 * time.Millisecond)}, want: []string{"up", "collect", "destroy"}, failed: true, says: "out of time"},
		"no such cluster":     {body: func(_ *subject, l *Lab) { l.Config("cluster9") }, want: []string{"up", "collect", "destroy"}, failed: true, says: "there are: cluster1"},
		"mesh is wrong":       {driver: &fakeDriver{checks: []report.Result{{Status: report.Failed}}}, body: func(_ *subject, l *Lab) { l.Verify(verify.Options{}) }, want: []string{"up", "collect", "destroy"}, failed: true, says: "the mesh of lab shop-"},
		"mesh is unproven":    {driver: &fakeDriver{checks: []report.Result{{Status: report.Skipped, Reason: verify.ReasonNoRegions}}}, body: func(_ *subject, l *Lab) { l.Verify(verify.Options{}) }, want: []string{"up", "collect", "destroy"}, failed: true, says: "the mesh of lab shop-"},
		"mesh is right":       {driver: &fakeDriver{checks: []report.Result{{Status: report.Passed}, {Status: report.Skipped, Reason: report.ReasonNotSelected}}}, body: func(_ *subject, l *Lab) { l.Verify(verify.Options{}) }, want: []string{"up", "destroy"}},
		"is cancelled":        {driver: &fakeDriver{slow: true}, cancel: true, want: []string{"up", "collect", "destroy"}, failed: true, says: "interrupted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(KeepVariable, tc.keep)
			s, dir := newSubject(t), filepath.Join(t.TempDir(), "evidence")
			if tc.cancel {
				time.AfterFunc(20*time.Millisecond, s.cancel)
			}
			d := tc.driver
			if d == nil {
				d = &fakeDriver{}
			}
			s.run(func() {
				lab := Start(s, append([]Option{with(d), Artifacts(dir)}, tc.opts...)...)
				if tc.body != nil {
					tc.body(s, lab)
				}
			})
			log := strings.Join(s.log, "\n")
			if diff := cmp.Diff(tc.want, d.calls); diff != "" {
				t.Errorf("asked of the driver: %s\n%s", diff, log)
			}
			if s.failed != tc.failed || !strings.Contains(log, tc.says) {
				t.Errorf("failed %v, says:\n%s", s.failed, log)
			}
			archives, err := filepath.Glob(filepath.Join(dir, "*"))
			if gathered := len(archives) > 0; err != nil || gathered != strings.Contains(strings.Join(d.calls, " "), "collect") {
				t.Errorf("archives %v, %v", archives, err)
			}
		})
	}
}

// TestRoomForCleaningUp: the way up ends well before the test binary is killed.
func TestRoomForCleaningUp(t *testing.T) {
	s := newSubject(t)
	s.deadline = time.Now().Add(reserve + 50*time.Millisecond)
	d := &fakeDriver{slow: true}
	began := time.Now()
	s.run(func() { Start(s, with(d), Artifacts(t.TempDir())) })
	if took := time.Since(began); !s.failed || took > 5*time.Second {
		t.Errorf("failed %v after %s", s.failed, took)
	}
	if !strings.Contains(strings.Join(s.log, "\n"), "out of time") || !strings.Contains(strings.Join(s.log, "\n"), "go test -timeout") {
		t.Errorf("the error does not name what ended it: %s", strings.Join(s.log, "\n"))
	}

	// Without the time, nothing is begun.
	late := newSubject(t)
	late.deadline = time.Now().Add(reserve - time.Second)
	d = &fakeDriver{}
	late.run(func() { Start(late, with(d)) })
	if !late.failed || len(d.calls) > 0 || !strings.Contains(strings.Join(late.log, "\n"), "go test -timeout") {
		t.Errorf("calls %v: %s", d.calls, strings.Join(late.log, "\n"))
	}

	own := newSubject(t)
	own.run(func() {
		Start(own, with(&fakeDriver{slow: true}), Timeout(10*time.Millisecond), Artifacts(t.TempDir()))
	})
	if !own.failed || !strings.Contains(strings.Join(own.log, "\n"), "labtest.Timeout is 10ms") {
		t.Errorf("the error does not name what ended it: %s", strings.Join(own.log, "\n"))
	}
}

func TestConfigsAreCopies(t *testing.T) {
	s := newSubject(t)
	s.run(func() {
		lab := Start(s, with(&fakeDriver{}))
		lab.Config("cluster1").Host = "elsewhere"
		lab.Configs()["cluster1"].Host = "elsewhere"
		if got := lab.Config("cluster1").Host; got != "https://127.0.0.1:6443" {
			t.Errorf("a caller's change reached the lab: %s", got)
		}
	})
}

func TestLabName(t *testing.T) {
	// The driver's rule; see automation.Options.Name.
	rule := regexp.MustCompile(`^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$`)
	for test, want := range map[string]string{
		"TestShop":                     "shop-",
		"TestShop/sells_bread":         "shop-sells-",
		"Test2Clusters":                "clusters-",
		"Test":                         "test-",
		"Test/日本":                      "test-",
		"TestAVeryLongNameThatGoesOn/": "averylongna-",
	} {
		name := labName(test)
		if !rule.MatchString(name) || !strings.HasPrefix(name, want) || len(name) != len(want)+uniqueLength {
			t.Errorf("%s: %s, want %s and %d more", test, name, want, uniqueLength)
		}
		if again := labName(test); again == name {
			t.Errorf("%s: twice the same name %s", test, name)
		}
	}
}
