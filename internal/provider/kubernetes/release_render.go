package kubernetes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/postrender"
	"helm.sh/helm/v3/pkg/release"
)

// rendering is what a chart makes of its values, without a cluster.
type rendering struct {
	checksum string
	names    map[string]any // kind and version -> names, sorted
}

// render renders the release, or takes it from the cache: the same chart with
// the same inputs, as two clusters of a lab have it, is rendered once.
func (p *Provider) render(ctx context.Context, rel *releaseInputs) (rendering, error) {
	conf, _ := p.configured()
	path, err := p.locateChart(helmSettings(conf), rel)
	if err != nil {
		return rendering{}, err
	}
	key, ok := renderKey(path, rel)
	if !ok {
		return p.renderChart(ctx, conf, path, rel)
	}
	// Others may wait for this rendering, whose own operation can be cancelled.
	ctx = context.WithoutCancel(ctx)
	return p.opts.renders.do(key, func() (rendering, error) { return p.renderChart(ctx, conf, path, rel) })
}

// renderKey identifies a rendering. A chart that is a directory, or that runs a
// command, has no key: nothing cheap says whether it changed.
func renderKey(path string, rel *releaseInputs) (string, bool) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || rel.Postrender != "" {
		return "", false
	}
	inputs, err := json.Marshal([]any{rel, rel.values})
	if err != nil {
		return "", false
	}
	sum := sha256.Sum256(inputs) // the values can be secret
	return fmt.Sprintf("%s %d %d %x", path, info.Size(), info.ModTime().UnixNano(), sum), true
}

// renders keeps renderings by key. A nil one keeps nothing.
type renders struct {
	mu   sync.Mutex
	done map[string]*renderOnce
}

type renderOnce struct {
	once   sync.Once
	result rendering
	err    error
}

func (r *renders) do(key string, render func() (rendering, error)) (rendering, error) {
	if r == nil {
		return render()
	}
	r.mu.Lock()
	if r.done == nil {
		r.done = map[string]*renderOnce{}
	}
	one := r.done[key]
	if one == nil {
		one = &renderOnce{}
		r.done[key] = one
	}
	r.mu.Unlock()
	one.once.Do(func() { one.result, one.err = render() })
	if one.err != nil { // it may be better next time
		r.mu.Lock()
		if r.done[key] == one {
			delete(r.done, key)
		}
		r.mu.Unlock()
	}
	return one.result, one.err
}

func (p *Provider) renderChart(ctx context.Context, conf config, path string, rel *releaseInputs) (rendering, error) {
	ch, err := loadChart(conf, path, rel)
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
			if !isTestHook(hook) {
				manifest += "---\n# Source: " + hook.Path + "\n" + hook.Manifest + "\n"
			}
		}
	}
	sum := sha256.Sum256([]byte(manifest))
	names, err := resourceNames(manifest)
	if err != nil {
		return rendering{}, fmt.Errorf("chart %s: %w", rel.Chart, err)
	}
	return rendering{checksum: hex.EncodeToString(sum[:]), names: names}, nil
}

func isTestHook(hook *release.Hook) bool {
	for _, e := range hook.Events {
		if e == release.HookTest {
			return true
		}
	}
	return false
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
