package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// ErrCancelled is the cause of an operation's context after the engine, or the
// end of the connection, cancelled the provider.
var ErrCancelled = errors.New("cancelled")

// Base is what every twin answers alike: handshake, configuration without
// options, cancellation, and the engine's log. Embed it and set Package and
// Version. Its zero value besides is ready.
type Base struct {
	plugin.UnimplementedProvider
	// Package is the package's name, such as "tls".
	Package string
	// Version is the plugin version that the package's SDK asks for.
	Version semver.Version

	mu        sync.Mutex
	engine    *engineClient
	cancelled chan struct{}
	done      bool
}

// Handshake keeps a connection to the engine for the log. Secrets come and go
// as typed values.
func (b *Base) Handshake(_ context.Context, req plugin.ProviderHandshakeRequest) (*plugin.ProviderHandshakeResponse, error) {
	if req.EngineAddress != "" {
		client, err := newEngineClient(req.EngineAddress)
		if err != nil {
			return nil, err
		}
		b.mu.Lock()
		old := b.engine
		b.engine = client
		b.mu.Unlock()
		if old != nil {
			_ = old.conn.Close()
		}
	}
	return &plugin.ProviderHandshakeResponse{AcceptSecrets: true, AcceptResources: true}, nil
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

// GetMapping has none: the package is mapped from no other ecosystem here.
func (b *Base) GetMapping(context.Context, plugin.GetMappingRequest) (plugin.GetMappingResponse, error) {
	return plugin.GetMappingResponse{}, nil
}

// GetMappings has none.
func (b *Base) GetMappings(context.Context, plugin.GetMappingsRequest) (plugin.GetMappingsResponse, error) {
	return plugin.GetMappingsResponse{}, nil
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

// SignalCancellation ends the contexts that Operation made, and every later one.
func (b *Base) SignalCancellation(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cancelled == nil {
		b.cancelled = make(chan struct{})
	}
	if !b.done {
		b.done = true
		close(b.cancelled)
	}
	return nil
}

// Close cancels what runs and lets go of the engine.
func (b *Base) Close() error {
	_ = b.SignalCancellation(context.Background())
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.engine == nil {
		return nil
	}
	err := b.engine.conn.Close()
	b.engine = nil
	return err
}

// Operation returns a context that ends with ctx or when the provider is
// cancelled, then with the cause ErrCancelled. The caller calls the function
// that it returns when the operation is over.
func (b *Base) Operation(ctx context.Context) (context.Context, context.CancelFunc) {
	b.mu.Lock()
	if b.cancelled == nil {
		b.cancelled = make(chan struct{})
	}
	cancelled := b.cancelled
	b.mu.Unlock()
	op, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-cancelled:
			cancel(ErrCancelled)
		case <-op.Done():
		}
	}()
	select {
	case <-cancelled: // at once, not when the goroutine gets to run
		cancel(ErrCancelled)
	default:
	}
	return op, func() { cancel(context.Canceled) }
}

// Log writes a line to the resource's log, where the engine keeps it.
func (b *Base) Log(ctx context.Context, sev Severity, urn resource.URN, msg string) {
	if engine := b.client(); engine != nil {
		engine.log(ctx, sev, urn, msg, false)
	}
}

// Status shows a line beside the resource while it is being worked on.
func (b *Base) Status(ctx context.Context, urn resource.URN, msg string) {
	if engine := b.client(); engine != nil {
		engine.log(ctx, Info, urn, msg, true)
	}
}

func (b *Base) client() *engineClient {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.engine
}
