package kubernetes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sort"
	"strings"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/postrender"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// rendering is what a chart makes of its values, without a cluster.
type rendering struct {
	checksum string
	names    map[string]any // kind and version -> names, sorted
}

func (p *Provider) render(ctx context.Context, rel *releaseInputs) (rendering, error) {
	conf, _ := p.configured()
	ch, err := p.loadChart(conf, rel)
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

// resourceNames groups a manifest's objects by kind and version, in the
// official provider's spelling: "Deployment.apps/apps/v1" -> ["ns/name"].
func resourceNames(manifest string) (map[string]any, error) {
	sets := map[string]map[string]bool{}
	for _, doc := range releaseutil.SplitManifests(manifest) {
		obj := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(doc), &obj.Object); err != nil {
			return nil, fmt.Errorf("rendered manifest: %w", err)
		}
		if obj.GetKind() == "" {
			continue
		}
		key := obj.GroupVersionKind().GroupKind().String() + "/" + obj.GetAPIVersion()
		if sets[key] == nil {
			sets[key] = map[string]bool{}
		}
		sets[key][idOf(obj.GetNamespace(), obj.GetName())] = true
	}
	out := make(map[string]any, len(sets))
	for key, set := range sets {
		names := make([]string, 0, len(set))
		for name := range set {
			names = append(names, name)
		}
		sort.Strings(names)
		list := make([]any, len(names))
		for i, name := range names {
			list[i] = name
		}
		out[key] = list
	}
	return out, nil
}

// helmLog takes what Helm would print.
func (p *Provider) helmLog(format string, args ...any) {
	p.log.Debug("helm: " + strings.TrimSpace(fmt.Sprintf(format, args...)))
}
