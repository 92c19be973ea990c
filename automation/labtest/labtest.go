package labtest

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/meshwright/meshwright/automation"
	"github.com/meshwright/meshwright/mesh/collect"
	"github.com/meshwright/meshwright/report"
	"github.com/meshwright/meshwright/verify"
)

// KeepVariable of the environment, set to 1, keeps the labs of failed tests.
const KeepVariable = "MESHWRIGHT_KEEP"

// How long the work after a test may take, each part.
const (
	collectTimeout = time.Minute
	destroyTimeout = 3 * time.Minute
)

// reserve is how long before the test binary's deadline a lab gives up coming
// up: go test kills the process at the deadline, before any cleanup.
const reserve = collectTimeout + time.Minute

// lockInterval is how often a lab that is still locked is asked for again.
const lockInterval = 250 * time.Millisecond

// Lab is a lab that is up, for one test.
type Lab struct {
	*automation.Outputs

	driver  driver
	configs map[string]*rest.Config
	tb      testing.TB
}

// driver is what a test's lab is made with: an *automation.Lab.
type driver interface {
	Name() string
	ArchiveName() string
	Up(context.Context, ...automation.UpOption) (*automation.UpResult, error)
	Verify(context.Context, verify.Options) (*report.Report, error)
	Collect(context.Context, automation.CollectOptions) (*collect.Index, error)
	Destroy(context.Context, ...automation.DestroyOption) (*automation.DestroyResult, error)
}

// Option changes how a lab is started.
type Option func(*options)

type options struct {
	lab       automation.Options
	keep      bool
	artifacts string
	timeout   time.Duration
	open      func(context.Context, automation.Options) (driver, error)
}

// Stack takes the settings of Pulumi.<name>.yaml, or the built-in ones of that
// name, instead of dev's.
func Stack(name string) Option { return func(o *options) { o.lab.Stack = name } }

// Config overrides one setting, as `pulumi config set --path` does:
// Config("clusters[0].workers", "1").
func Config(key, value string) Option {
	return func(o *options) {
		if o.lab.Config == nil {
			o.lab.Config = map[string]string{}
		}
		o.lab.Config[key] = value
	}
}

// Driver changes the driver's own options, such as Executable or StateDir.
func Driver(change func(*automation.Options)) Option { return func(o *options) { change(&o.lab) } }

// KeepOnFailure leaves the lab up when the test fails; the log then says how to
// use it and how to destroy it.
func KeepOnFailure() Option { return func(o *options) { o.keep = true } }

// Artifacts names the directory for the archive of a failed test. Without it,
// that is the test's artifact directory when go test runs with -artifacts, else
// the system's temporary directory.
func Artifacts(dir string) Option { return func(o *options) { o.artifacts = dir } }

// Timeout bounds Up. Without it, the test's own deadline does.
func Timeout(d time.Duration) Option { return func(o *options) { o.timeout = d } }

// Start brings a lab up and returns when it is there; a lab that does not come
// up ends the test. It may be called several times, and from parallel tests.
func Start(tb testing.TB, opts ...Option) *Lab {
	tb.Helper()
	o := options{keep: os.Getenv(KeepVariable) == "1", open: open}
	for _, opt := range opts {
		opt(&o)
	}
	if o.lab.Name == "" {
		o.lab.Name = labName(tb.Name())
	}
	d, err := o.open(tb.Context(), o.lab)
	if err != nil {
		tb.Fatalf("labtest: %v", err)
	}
	ctx, cancel := o.bounded(tb)
	defer cancel()
	if err := context.Cause(ctx); err != nil {
		tb.Fatalf("labtest: lab %s is not brought up: %v", d.Name(), err)
	}
	tb.Cleanup(func() { o.finish(tb, d) })
	tb.Logf("labtest: bringing up lab %s", d.Name())
	up, err := d.Up(ctx)
	if err != nil {
		tb.Fatalf("labtest: %v", because(ctx, err))
	}
	tb.Logf("labtest: lab %s is up after %.0f s", d.Name(), up.Duration.Seconds())
	lab := &Lab{Outputs: up.Outputs, driver: d, configs: map[string]*rest.Config{}, tb: tb}
	for _, c := range up.Outputs.Clusters {
		if lab.configs[c.Name], err = c.RESTConfig(); err != nil {
			tb.Fatalf("labtest: %v", err)
		}
	}
	return lab
}

func open(ctx context.Context, o automation.Options) (driver, error) {
	lab, err := automation.New(ctx, o)
	if err != nil {
		return nil, err
	}
	return lab, nil
}

// Name is the lab's, by which the meshwright command finds it.
func (l *Lab) Name() string { return l.driver.Name() }

// Config is a client configuration for the cluster of that name; a copy, for the
// caller to change. A name that the lab does not have ends the test.
func (l *Lab) Config(cluster string) *rest.Config {
	l.tb.Helper()
	c, ok := l.configs[cluster]
	if !ok {
		l.tb.Fatalf("labtest: lab %s has no cluster %q; there are: %s", l.Name(), cluster, strings.Join(l.names(), ", "))
	}
	return rest.CopyConfig(c)
}

// Configs are client configurations for all clusters, by name; copies.
func (l *Lab) Configs() map[string]*rest.Config {
	out := map[string]*rest.Config{}
	for name, c := range l.configs {
		out[name] = rest.CopyConfig(c)
	}
	return out
}

func (l *Lab) names() []string {
	var names []string
	for _, c := range l.Clusters {
		names = append(names, c.Name)
	}
	return names
}

// Verify runs the checks and fails the test, with the report in its log, unless all
// pass that were asked for. opts say how; what to check is filled in.
func (l *Lab) Verify(opts verify.Options) *report.Report {
	l.tb.Helper()
	ctx, cancel := untilReserve(l.tb)
	defer cancel()
	r, err := l.driver.Verify(ctx, opts)
	if err != nil {
		l.tb.Fatalf("labtest: %v", because(ctx, err))
	}
	if !r.Proven() {
		var text strings.Builder
		if err := r.Table(&text, report.Options{}); err != nil {
			l.tb.Logf("labtest: %v", err)
		}
		l.tb.Errorf("labtest: the mesh of lab %s: %s\n%s", l.Name(), r.Verdict, text.String())
	}
	return r
}

// bounded is the test's context with the time that the lab has for coming up.
func (o *options) bounded(tb testing.TB) (context.Context, context.CancelFunc) {
	ctx, cancel := untilReserve(tb)
	if o.timeout == 0 {
		return ctx, cancel
	}
	ctx, inner := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("labtest.Timeout is %s", o.timeout))
	return ctx, func() { inner(); cancel() }
}

// untilReserve is the test's context with the time that is left until the lab must be
// taken down.
func untilReserve(tb testing.TB) (context.Context, context.CancelFunc) {
	if d, ok := tb.(interface{ Deadline() (time.Time, bool) }); ok {
		if end, ok := d.Deadline(); ok {
			return context.WithDeadlineCause(tb.Context(), end.Add(-reserve), fmt.Errorf(
				"go test ends this process at %s, and the last %s before that are for taking the lab down; give it more time: go test -timeout 30m",
				end.Format(time.TimeOnly), reserve))
		}
	}
	return tb.Context(), func() {}
}

// because adds why a context has ended to the error of what it ended.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) && cause != ctx.Err() { //nolint:errorlint // the very same
		return fmt.Errorf("%w: %w", err, cause)
	}
	return err
}

// finish gathers evidence of a failure and takes the lab down. The test's own
// context has ended by then.
func (o *options) finish(tb testing.TB, d driver) {
	if tb.Failed() {
		o.gather(tb, d)
		if o.keep {
			flags := fmt.Sprintf(" --stack %s --name %s", cmp.Or(o.lab.Stack, "dev"), d.Name())
			tb.Logf("labtest: lab %[1]s is kept\nto look at it: eval \"$(meshwright env%[2]s)\"\nto remove it: meshwright destroy%[2]s", d.Name(), flags)
			return
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), destroyTimeout)
	defer cancel()
	var notUp *automation.NotUpError
	if err := destroy(ctx, d); err != nil && !errors.As(err, &notUp) {
		tb.Errorf("labtest: %v", err)
	}
}

// destroy waits for the lab's lock: an Up that ran out of time still removes what is
// incomplete.
func destroy(ctx context.Context, d driver) error {
	for {
		_, err := d.Destroy(ctx)
		var locked *automation.LockedError
		if !errors.As(err, &locked) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(lockInterval):
		}
	}
}

// gather writes an archive of evidence and logs its path.
func (o *options) gather(tb testing.TB, d driver) {
	dir := o.artifacts
	switch {
	case dir != "":
	case artifactsKept():
		dir = tb.ArtifactDir()
	default:
		dir = os.TempDir()
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		tb.Logf("labtest: no evidence: %v", err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	path := filepath.Join(dir, d.ArchiveName())
	_, err := d.Collect(ctx, automation.CollectOptions{Path: path})
	var notUp *automation.NotUpError
	switch {
	case errors.As(err, &notUp): // it never began
	case err != nil:
		tb.Logf("labtest: no evidence: %v", err)
	default:
		tb.Logf("labtest: evidence is in %s", path)
	}
}

// artifactsKept reports whether go test keeps its artifact directories.
func artifactsKept() bool {
	f := flag.Lookup("test.artifacts")
	return f != nil && f.Value.String() == "true"
}

// nameLength is what a lab's name may have in all, and uniqueLength what of it
// makes it unique: 32 bits.
const (
	nameLength   = 20
	uniqueLength = 8
)

// labName derives a lab's name from a test's and makes it unique:
// "TestShop/sells_bread" is "shop-sells-3f9c02d1".
func labName(test string) string {
	word := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, strings.TrimPrefix(test, "Test"))
	word = strings.TrimLeft(word, "-0123456789")
	word = strings.TrimRight(word[:min(len(word), nameLength-uniqueLength-1)], "-")
	unique := make([]byte, uniqueLength/2)
	_, _ = rand.Read(unique) // never fails (crypto/rand)
	return cmp.Or(word, "test") + "-" + hex.EncodeToString(unique)
}
