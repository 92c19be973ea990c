package kubernetes

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"github.com/meshwright/meshwright/internal/paths"
	"github.com/meshwright/meshwright/internal/provider"
)

// version is the plugin version that the Kubernetes SDK in go.mod asks for.
var version = semver.MustParse("4.30.0")

// Options are what the provider takes from the process that serves it. The
// zero value serves a plugin.
type Options struct {
	// ChartRoot is where relative chart paths are looked for after the working
	// directory. Empty means the kit's directory.
	ChartRoot string
	// Log receives what Helm would print. Nil discards it.
	Log *slog.Logger
	// Gone reports whether the cluster with that clusterIdentifier is proven to be gone.
	// deleteUnreachable acts on no other: a cluster that does not answer may come back.
	// Nil proves nothing.
	Gone func(ctx context.Context, clusterIdentifier string) (bool, error)

	renders *renders
}

// Factory returns a function that makes providers which share what can be
// shared between clusters: the renderings of charts, kept in the cache directory.
func Factory(o Options) func() plugin.Provider {
	o.renders = &renders{dir: filepath.Join(paths.Cache(), "renders")}
	return func() plugin.Provider { return New(o) }
}

// Provider serves one `pulumi:providers:kubernetes` resource: one cluster.
type Provider struct {
	provider.Base
	opts Options
	log  *slog.Logger
	busy time.Duration // 0 is busyTimeout
	// renderer renders a chart; simulated providers have another one.
	renderer func(context.Context, *releaseInputs) (rendering, error)

	mu      sync.RWMutex
	conf    config
	cluster *cluster
}

var _ plugin.Provider = (*Provider)(nil)

// New returns a provider that is not configured yet.
func New(o Options) plugin.Provider { return newProvider(o) }

func newProvider(o Options) *Provider {
	p := &Provider{opts: o, log: cmp.Or(o.Log, slog.New(slog.DiscardHandler))}
	p.Package, p.Version = "kubernetes", version
	p.renderer = p.render
	p.cluster = unreachableCluster(errors.New("the provider is not configured"))
	return p
}

// Handshake adds to the usual one that names follow the engine's naming rules.
func (p *Provider) Handshake(ctx context.Context, req plugin.ProviderHandshakeRequest) (*plugin.ProviderHandshakeResponse, error) {
	res, err := p.Base.Handshake(ctx, req)
	if res != nil {
		res.SupportsAutonamingConfiguration = true
	}
	return res, err
}

// Close ends what runs and closes idle connections.
func (p *Provider) Close() error {
	err := p.Base.Close()
	_, c := p.configured()
	c.close()
	return err
}

func (p *Provider) configured() (config, *cluster) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.conf, p.cluster
}
