package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// ErrCancelled is the cause of an operation's context after the engine, or the
// end of the connection, cancelled the provider.
var ErrCancelled = errors.New("cancelled")

// Base holds what all twins have in common: handshake, configuration without options,
// cancellation, and the engine's log. Embed it and set Package and Version.
type Base struct {
	plugin.UnimplementedProvider
	// Package is the package's name, such as "tls".
	Package string
	// Version is the plugin version that the package's SDK asks for.
	Version semver.Version

	mu     sync.Mutex
	engine *grpc.ClientConn
	// cancelled ends when the provider is cancelled; see whenCancelled.
	cancelled context.Context
	cancel    context.CancelFunc
}

// Handshake keeps a connection to the engine for the log. It dials at first use. (The
// SDK's own HostClient comes with the tracing of a whole plugin main.)
func (b *Base) Handshake(_ context.Context, req plugin.ProviderHandshakeRequest) (*plugin.ProviderHandshakeResponse, error) {
	if req.EngineAddress != "" {
		conn, err := grpc.NewClient(req.EngineAddress, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return nil, err
		}
		_ = b.setEngine(conn)
	}
	return &plugin.ProviderHandshakeResponse{AcceptSecrets: true, AcceptResources: true}, nil
}

// setEngine takes a connection, or nil, and closes the one before it.
func (b *Base) setEngine(conn *grpc.ClientConn) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.engine
	b.engine = conn
	if old == nil {
		return nil
	}
	return old.Close()
}

// CheckConfig takes the configuration as it comes.
func (b *Base) CheckConfig(_ context.Context, req plugin.CheckConfigRequest) (plugin.CheckConfigResponse, error) {
	return plugin.CheckConfigResponse{Properties: req.News}, nil
}

// DiffConfig sees no change: no option of such a provider identifies resources.
func (b *Base) DiffConfig(context.Context, plugin.DiffConfigRequest) (plugin.DiffConfigResponse, error) {
	return plugin.DiffConfigResponse{Changes: plugin.DiffNone}, nil
}

// Configure has nothing to configure.
func (b *Base) Configure(context.Context, plugin.ConfigureRequest) (plugin.ConfigureResponse, error) {
	return plugin.ConfigureResponse{}, nil
}

// GetSchema returns a schema that names the package and nothing else: the SDKs
// exist already, and the engine needs no more to run a program.
func (b *Base) GetSchema(context.Context, plugin.GetSchemaRequest) (plugin.GetSchemaResponse, error) {
	schema, err := json.Marshal(map[string]string{"name": b.Package, "version": b.Version.String()})
	return plugin.GetSchemaResponse{Schema: schema}, err
}

// GetPluginInfo returns the version.
func (b *Base) GetPluginInfo(context.Context) (plugin.PluginInfo, error) {
	v := b.Version
	return plugin.PluginInfo{Version: &v}, nil
}

// Invoke, Call and Construct refuse by name: no twin holds functions or components.
func (b *Base) Invoke(_ context.Context, req plugin.InvokeRequest) (plugin.InvokeResponse, error) {
	return plugin.InvokeResponse{}, b.lacks(string(req.Tok))
}

// Call is refused.
func (b *Base) Call(_ context.Context, req plugin.CallRequest) (plugin.CallResponse, error) {
	return plugin.CallResponse{}, b.lacks(string(req.Tok))
}

// Construct is refused.
func (b *Base) Construct(_ context.Context, req plugin.ConstructRequest) (plugin.ConstructResponse, error) {
	return plugin.ConstructResponse{}, b.lacks(string(req.Type))
}

func (b *Base) lacks(token string) error {
	return fmt.Errorf("%s is not part of the embedded %s provider; install the official plugin to use it", token, b.Package)
}

// whenCancelled returns the context that ends when the provider is cancelled.
func (b *Base) whenCancelled() (context.Context, context.CancelFunc) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cancelled == nil {
		b.cancelled, b.cancel = context.WithCancel(context.Background())
	}
	return b.cancelled, b.cancel
}

// SignalCancellation ends the contexts that Operation made, and every later one.
func (b *Base) SignalCancellation(context.Context) error {
	_, cancel := b.whenCancelled()
	cancel()
	return nil
}

// Close cancels what runs and closes the connection to the engine.
func (b *Base) Close() error {
	_ = b.SignalCancellation(context.Background())
	return b.setEngine(nil)
}

// Operation returns a context that ends with ctx or when the provider is
// cancelled, then with the cause ErrCancelled. The caller calls the function
// that it returns when the operation is over.
func (b *Base) Operation(ctx context.Context) (context.Context, context.CancelFunc) {
	op, cancel := context.WithCancelCause(ctx)
	cancelled, _ := b.whenCancelled()
	stop := context.AfterFunc(cancelled, func() { cancel(ErrCancelled) })
	if cancelled.Err() != nil { // at once, not when AfterFunc's goroutine gets to run
		cancel(ErrCancelled)
	}
	return op, func() { stop(); cancel(context.Canceled) }
}

// Severity is how the engine ranks a line of a resource's log.
type Severity = pulumirpc.LogSeverity

// The severities in use; Debug is shown with --debug only.
const (
	Debug   = pulumirpc.LogSeverity_DEBUG
	Info    = pulumirpc.LogSeverity_INFO
	Warning = pulumirpc.LogSeverity_WARNING
)

// Log writes a line to the resource's log, where the engine keeps it.
func (b *Base) Log(ctx context.Context, sev Severity, urn resource.URN, msg string) {
	b.log(ctx, &pulumirpc.LogRequest{Severity: sev, Urn: string(urn), Message: msg})
}

// Status shows a line beside the resource while it is being worked on.
func (b *Base) Status(ctx context.Context, urn resource.URN, msg string) {
	b.log(ctx, &pulumirpc.LogRequest{Severity: Info, Urn: string(urn), Message: msg, Ephemeral: true})
}

// log drops errors: an operation does not fail because its log line was lost.
func (b *Base) log(ctx context.Context, req *pulumirpc.LogRequest) {
	b.mu.Lock()
	engine := b.engine
	b.mu.Unlock()
	if engine != nil {
		req.Message = strings.ToValidUTF8(req.Message, "\uFFFD")
		_, _ = pulumirpc.NewEngineClient(engine).Log(ctx, req)
	}
}
