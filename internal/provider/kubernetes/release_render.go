package kubernetes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/cli"
	"helm.sh/helm/v3/pkg/postrender"
	"helm.sh/helm/v3/pkg/release"
)

// rendering is what a chart makes of its values, without a cluster.
type rendering struct {
	Checksum string         `json:"checksum"`
	Names    map[string]any `json:"names"` // kind and version -> names, sorted
}

// render renders the release, or takes it from the cache.
func (p *Provider) render(ctx context.Context, rel *releaseInputs) (rendering, error) {
	conf, _ := p.configured()
	settings := helmSettings(conf)
	path, err := p.locateChart(settings, rel)
	if err != nil {
		return rendering{}, err
	}
	// Others may wait for this rendering, whose own operation can be cancelled.
	ctx = context.WithoutCancel(ctx)
	do := func() (rendering, error) { return p.renderChart(ctx, settings, path, rel) }
	if key, err := renderKey(path, rel); err == nil && p.opts.renders != nil {
		return p.opts.renders.get(key, do)
	}
	return do()
}

func (p *Provider) renderChart(ctx context.Context, settings *cli.EnvSettings, path string, rel *releaseInputs) (rendering, error) {
	ch, err := loadChart(settings, path, rel)
	if err != nil {
		return rendering{}, err
	}
	client := action.NewInstall(&action.Configuration{Log: p.helmLog})
	client.DryRun, client.ClientOnly, client.Replace = true, true, true
	client.DisableOpenAPIValidation = true
	client.ReleaseName, client.Namespace = rel.Name, rel.Namespace
	client.IncludeCRDs = !rel.SkipCrds
	client.SubNotes = rel.RenderSubchartNotes
	if client.PostRenderer, err = postRenderer(rel); err != nil {
		return rendering{}, err
	}
	result, err := client.RunWithContext(ctx, ch, rel.values)
	if err != nil {
		return rendering{}, fmt.Errorf("render chart %s: %w", rel.Chart, err)
	}
	manifest := result.Manifest
	if !rel.DisableWebhooks {
		for _, hook := range result.Hooks {
			if !slices.Contains(hook.Events, release.HookTest) {
				manifest += "---\n# Source: " + hook.Path + "\n" + hook.Manifest + "\n"
			}
		}
	}
	sum := sha256.Sum256([]byte(manifest))
	names, err := resourceNames(manifest)
	if err != nil {
		return rendering{}, fmt.Errorf("chart %s: %w", rel.Chart, err)
	}
	return rendering{Checksum: hex.EncodeToString(sum[:]), Names: names}, nil
}

func postRenderer(rel *releaseInputs) (postrender.PostRenderer, error) {
	if rel.Postrender == "" {
		return nil, nil
	}
	return postrender.NewExec(rel.Postrender)
}

// helmLog takes what Helm would print.
func (p *Provider) helmLog(format string, args ...any) {
	p.log.Debug("helm: " + strings.TrimSpace(fmt.Sprintf(format, args...)))
}
