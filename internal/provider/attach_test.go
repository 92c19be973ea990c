package provider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/blang/semver"
	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// toy is a provider whose Create does what the resource's "do" input says.
type toy struct {
	Base
	serial  int64
	closed  *atomic.Int64
	started chan struct{}
}

func (t *toy) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	ctx, done := t.Operation(ctx)
	defer done()
	switch req.Properties["do"].StringValue() {
	case "panic":
		panic("boom")
	case "wait":
		t.started <- struct{}{}
		<-ctx.Done()
		return plugin.CreateResponse{}, fmt.Errorf("create: %w", context.Cause(ctx))
	}
	return plugin.CreateResponse{
		ID: "id",
		Properties: resource.PropertyMap{
			"serial":  resource.NewNumberProperty(float64(t.serial)),
			"secret":  resource.MakeSecret(resource.NewStringProperty("hush")),
			"unknown": resource.MakeComputed(resource.NewStringProperty("")),
		},
	}, nil
}

func (t *toy) Diff(context.Context, plugin.DiffRequest) (plugin.DiffResponse, error) {
	return plugin.DiffResult{
		Changes: plugin.DiffSome,
		DetailedDiff: map[string]plugin.PropertyDiff{
			"a.b":  {Kind: plugin.DiffDeleteReplace, InputDiff: true},
			"a.c":  {Kind: plugin.DiffUpdateReplace, InputDiff: true},
			"d[0]": {Kind: plugin.DiffAdd, InputDiff: true},
		},
	}, nil
}

func (t *toy) GetPluginInfo(context.Context) (plugin.PluginInfo, error) {
	return plugin.PluginInfo{}, nil
}

func (t *toy) Close() error {
	t.closed.Add(1)
	return t.Base.Close()
}

type toys struct {
	made, closed atomic.Int64
	started      chan struct{}
}

func newToys() *toys { return &toys{started: make(chan struct{}, 8)} }

func (ts *toys) factory() plugin.Provider {
	return &toy{
		Base:   Base{Package: "toy", Version: semver.MustParse("1.2.3")},
		serial: ts.made.Add(1), closed: &ts.closed, started: ts.started,
	}
}

func dial(t *testing.T, port int) (pulumirpc.ResourceProviderClient, *grpc.ClientConn) {
	t.Helper()
	conn, err := grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", port), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return pulumirpc.NewResourceProviderClient(conn), conn
}

func create(t *testing.T, c pulumirpc.ResourceProviderClient, do string) (*pulumirpc.CreateResponse, error) {
	t.Helper()
	props, err := plugin.MarshalProperties(resource.PropertyMap{"do": resource.NewStringProperty(do)}, plugin.MarshalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return c.Create(ctx, &pulumirpc.CreateRequest{Urn: "urn:pulumi:s::p::toy:index:Toy::t", Properties: props})
}

func attach(t *testing.T, ctx context.Context, ts *toys, opts ...Option) *Attachment {
	t.Helper()
	a, err := Attach(ctx, map[string]Factory{"toy": ts.factory}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func TestAttachGivesEveryConnectionItsOwnProvider(t *testing.T) {
	ts := newToys()
	a := attach(t, t.Context(), ts)
	if want := fmt.Sprintf("toy:%d", a.Port("toy")); a.Env() != want {
		t.Errorf("Env() = %q, want %q", a.Env(), want)
	}
	serials := map[float64]bool{}
	for range 2 {
		c, _ := dial(t, a.Port("toy"))
		for range 2 { // both on the connection's one provider
			res, err := create(t, c, "")
			if err != nil {
				t.Fatal(err)
			}
			serials[res.GetProperties().AsMap()["serial"].(float64)] = true
		}
	}
	if diff := cmp.Diff(map[float64]bool{1: true, 2: true}, serials); diff != "" {
		t.Error(diff)
	}
}

func TestAttachKeepsSecretsAndUnknowns(t *testing.T) {
	a := attach(t, t.Context(), newToys())
	c, _ := dial(t, a.Port("toy"))
	res, err := create(t, c, "")
	if err != nil {
		t.Fatal(err)
	}
	got, err := plugin.UnmarshalProperties(res.GetProperties(), plugin.MarshalOptions{KeepSecrets: true, KeepUnknowns: true})
	if err != nil {
		t.Fatal(err)
	}
	if !got["secret"].IsSecret() || got["secret"].SecretValue().Element.StringValue() != "hush" {
		t.Errorf("secret came as %v", got["secret"])
	}
	if !got["unknown"].IsComputed() {
		t.Errorf("unknown came as %v", got["unknown"])
	}
}

func TestServerCompletesTheSDKsServer(t *testing.T) {
	a := attach(t, t.Context(), newToys())
	c, _ := dial(t, a.Port("toy"))
	if _, err := c.Attach(t.Context(), &pulumirpc.PluginAttach{Address: "127.0.0.1:1"}); err != nil {
		t.Errorf("Attach: %v", err)
	}
	if info, err := c.GetPluginInfo(t.Context(), &emptypb.Empty{}); err != nil || info.GetVersion() != "" {
		t.Errorf("GetPluginInfo without a version = %v, %v", info, err)
	}
	diff, err := c.Diff(t.Context(), &pulumirpc.DiffRequest{Urn: "urn:pulumi:s::p::toy:index:Toy::t"})
	if err != nil {
		t.Fatal(err)
	}
	if !diff.GetHasDetailedDiff() {
		t.Error("the detailed diff is not marked as such")
	}
	if got := diff.GetDetailedDiff()["a.b"].GetKind(); got != pulumirpc.PropertyDiff_DELETE_REPLACE {
		t.Errorf("a deletion that replaces came as %v", got)
	}
	if d := cmp.Diff([]string{"a", "d"}, diff.GetDiffs()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"a"}, diff.GetReplaces()); d != "" {
		t.Error(d)
	}
}

func TestPanicBecomesAnError(t *testing.T) {
	var log syncBuffer
	a := attach(t, t.Context(), newToys(), WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	c, _ := dial(t, a.Port("toy"))
	_, err := create(t, c, "panic")
	if status.Code(err) != codes.Internal || !strings.Contains(err.Error(), "the toy provider panicked in Create: boom") {
		t.Errorf("err = %v", err)
	}
	if !strings.Contains(log.String(), "attach_test.go") {
		t.Errorf("the log lacks the stack: %s", log.String())
	}
	if _, err := create(t, c, ""); err != nil {
		t.Errorf("the provider does not serve after a panic: %v", err)
	}
}

func TestOperationsEnd(t *testing.T) {
	tests := map[string]func(a *Attachment, c pulumirpc.ResourceProviderClient, conn *grpc.ClientConn, cancel func()){
		"when the engine cancels": func(_ *Attachment, c pulumirpc.ResourceProviderClient, _ *grpc.ClientConn, _ func()) {
			_, _ = c.Cancel(context.Background(), &emptypb.Empty{})
		},
		"when the engine goes": func(_ *Attachment, _ pulumirpc.ResourceProviderClient, conn *grpc.ClientConn, _ func()) {
			_ = conn.Close()
		},
		"when the context ends": func(_ *Attachment, _ pulumirpc.ResourceProviderClient, _ *grpc.ClientConn, cancel func()) {
			cancel()
		},
		"when the attachment closes": func(a *Attachment, _ pulumirpc.ResourceProviderClient, _ *grpc.ClientConn, _ func()) {
			_ = a.Close()
		},
	}
	for name, end := range tests {
		t.Run(name, func(t *testing.T) {
			ignore := goleak.IgnoreCurrent()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ts := newToys()
			a := attach(t, ctx, ts)
			c, conn := dial(t, a.Port("toy"))
			failed := make(chan error, 1)
			go func() {
				_, err := create(t, c, "wait")
				failed <- err
			}()
			<-ts.started
			start := time.Now()
			end(a, c, conn, cancel)
			if err := <-failed; err == nil {
				t.Error("the operation succeeded")
			}
			if err := a.Close(); err != nil {
				t.Error(err)
			}
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("it took %s", d)
			}
			if ts.made.Load() != 1 || ts.closed.Load() != 1 {
				t.Errorf("made %d providers, closed %d", ts.made.Load(), ts.closed.Load())
			}
			conn.Close()
			goleak.VerifyNone(t, ignore)
		})
	}
}

func TestCloseRefusesLaterConnections(t *testing.T) {
	a := attach(t, t.Context(), newToys())
	port := a.Port("toy")
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err == nil {
		conn.Close()
		t.Error("still listening")
	}
}

func TestMainServesUntilTheEngineGoes(t *testing.T) {
	engine := grpc.NewServer()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = engine.Serve(lis) }()

	ts := newToys()
	stdout, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- serveMain(t.Context(), "toy", ts.factory, []string{"--tracing", "x:1", "-v=3", lis.Addr().String()}, out, io.Discard)
	}()
	var port int
	if _, err := fmt.Fscan(stdout, &port); err != nil {
		t.Fatal(err)
	}
	c, _ := dial(t, port)
	if _, err := create(t, c, ""); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		t.Fatalf("it ended with the engine alive: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	engine.Stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it outlives the engine")
	}
}

func TestOperationAfterCancellationIsOver(t *testing.T) {
	var b Base
	if err := b.SignalCancellation(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, done := b.Operation(t.Context())
	defer done()
	if !errors.Is(context.Cause(ctx), ErrCancelled) {
		t.Errorf("cause = %v", context.Cause(ctx))
	}
}

func TestPartialFailureReachesTheEngine(t *testing.T) {
	err := PartialFailure("id", resource.PropertyMap{"a": resource.MakeSecret(resource.NewStringProperty("x"))}, nil, "not ready")
	st, _ := status.FromError(err)
	for _, d := range st.Details() {
		if f, ok := d.(*pulumirpc.ErrorResourceInitFailed); ok {
			if f.GetId() != "id" || len(f.GetReasons()) != 1 || f.GetReasons()[0] != "not ready" {
				t.Errorf("detail = %v", f)
			}
			return
		}
	}
	t.Errorf("no detail in %v", err)
}

// syncBuffer is a buffer that a handler writes while the test reads.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
