package kubernetes

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshwright/meshwright/internal/provider"
)

func (p *Provider) createRelease(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	if req.Preview {
		return plugin.CreateResponse{Properties: releaseState(req.Properties, nil)}, nil
	}
	state, id, err := p.applyRelease(ctx, req.URN, req.Properties, req.Timeout, false)
	return plugin.CreateResponse{ID: id, Properties: state}, err
}

func (p *Provider) updateRelease(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	if req.Preview {
		return plugin.UpdateResponse{Properties: releaseState(req.NewInputs, nil)}, nil
	}
	state, _, err := p.applyRelease(ctx, req.URN, req.NewInputs, req.Timeout, true)
	return plugin.UpdateResponse{Properties: state}, err
}

// applyRelease deploys and returns the state. A release that Helm has recorded
// and that did not become ready is kept in the state with what is wrong.
func (p *Provider) applyRelease(ctx context.Context, urn resource.URN, in resource.PropertyMap, timeout float64, adopt bool) (resource.PropertyMap, resource.ID, error) {
	conf, c := p.configured()
	rel, err := decodeRelease(in)
	if err != nil {
		return nil, "", err
	}
	ctx, cancel := customTimeout(ctx, timeout, busyTimeout+rel.waitTimeout()+settleTimeout)
	defer cancel()
	if err := c.reach(ctx, false); err != nil {
		return nil, "", fmt.Errorf("can't deploy Helm Release: %w", err)
	}
	d := deployment{rel: rel, owner: fieldManager(&unstructured.Unstructured{Object: map[string]any{}}, "", urn), adopt: adopt}
	var result *release.Release
	progress := func(msg string) { p.Status(ctx, urn, msg) }
	err = p.settle(ctx, urn, func() error {
		cfg, err := p.helmAction(ctx, conf, c, rel.Namespace, progress)
		if err != nil {
			return err
		}
		result, err = p.deploy(ctx, conf, cfg, d)
		return err
	})
	id := resource.ID(idOf(rel.Namespace, rel.Name))
	if err == nil {
		return releaseState(in, result), id, nil
	}
	// What counts is whether there is a release to take care of from now on.
	kept, lookErr := p.recordedRelease(conf, c, rel)
	if lookErr != nil || kept == nil || !adopt && kept.Labels[ownerLabel] != d.owner {
		return nil, "", fmt.Errorf("Helm release %q: %w", id, err) //nolint:staticcheck // Helm is a name
	}
	return nil, "", provider.PartialFailure(id, releaseState(in, kept), nil, reasons(fmt.Errorf(
		"Helm release %q was created, but failed to initialize completely: %w", id, err))...) //nolint:staticcheck // the official wording
}

// customTimeout bounds ctx by the seconds of customTimeouts, where there are any, else
// by usual.
func customTimeout(ctx context.Context, seconds float64, usual time.Duration) (context.Context, context.CancelFunc) {
	if seconds > 0 {
		usual = time.Duration(seconds * float64(time.Second))
	}
	return context.WithTimeout(ctx, usual)
}

// recordedRelease looks the release up after an operation failed, in a time of
// its own.
func (p *Provider) recordedRelease(conf config, c *cluster, rel *releaseInputs) (*release.Release, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	type found struct {
		rel *release.Release
		err error
	}
	done := make(chan found, 1)
	go func() {
		cfg, err := p.helmAction(ctx, conf, c, rel.Namespace, nil)
		if err != nil {
			done <- found{nil, err}
			return
		}
		r, err := lastRelease(cfg, rel.Name)
		done <- found{r, err}
	}()
	select {
	case f := <-done:
		return f.rel, f.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// readRelease refreshes a release, or imports one by namespace/name: its values,
// version and status as they are in the cluster. An object that is not as in the
// release's manifest makes the release one to update, as does an object that is not
// ready: the engine updates what a refresh found unhealthy.
func (p *Provider) readRelease(ctx context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	conf, c := p.configured()
	namespace, name := parseID(string(req.ID))
	if name == "" {
		return plugin.ReadResponse{}, fmt.Errorf("the ID %q names no release; write namespace/name", req.ID)
	}
	namespace = cmp.Or(namespace, conf.namespace)
	cfg, err := p.helmAction(ctx, conf, c, namespace, nil)
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	live, err := lastRelease(cfg, name)
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	if live == nil || live.Info.Status == release.StatusUninstalled {
		return plugin.ReadResponse{}, nil
	}
	inputs := releaseInputsOf(req.Inputs, req.State)
	if len(inputs) == 0 {
		inputs = importedRelease(live)
	} else {
		inputs = refreshedRelease(inputs, live)
	}
	state := releaseState(inputs, live)
	drift, err := c.drift(ctx, live)
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	if len(drift) > 0 {
		return plugin.ReadResponse{}, provider.PartialFailure(req.ID, state, inputs, drift...)
	}
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: inputs, Outputs: state}}, nil
}

func importedRelease(live *release.Release) resource.PropertyMap {
	in := resource.PropertyMap{
		"name":      resource.NewProperty(live.Name),
		"namespace": resource.NewProperty(live.Namespace),
		"timeout":   resource.NewProperty(float64(defaultReleaseTimeout)),
	}
	if live.Chart != nil && live.Chart.Metadata != nil {
		in["chart"] = resource.NewProperty(live.Chart.Metadata.Name)
		in["version"] = resource.NewProperty(live.Chart.Metadata.Version)
	}
	if len(live.Config) > 0 {
		in["values"] = toProperty(jsonTree(live.Config))
	}
	if names, err := resourceNames(live.Manifest); err == nil {
		in["resourceNames"] = toProperty(names)
	}
	return in
}

// refreshedRelease puts into the inputs what somebody changed with Helm.
func refreshedRelease(inputs resource.PropertyMap, live *release.Release) resource.PropertyMap {
	out := inputs.Copy()
	rel, err := decodeRelease(inputs)
	if err != nil || rel.ReuseValues {
		return out
	}
	now := jsonTree(live.Config)
	if len(compare(nil, rel.values, now)) > 0 {
		values := toProperty(now)
		if old, ok := inputs["values"]; ok {
			if values = markSecret(values, old); old.ContainsSecrets() && !values.ContainsSecrets() {
				values = resource.MakeSecret(values) // the secret may be under another key now
			}
		}
		out["values"] = values
	}
	if _, ok := inputs["version"]; ok && live.Chart != nil && live.Chart.Metadata != nil {
		out["version"] = resource.NewProperty(live.Chart.Metadata.Version)
	}
	return out
}

func (p *Provider) deleteRelease(ctx context.Context, req plugin.DeleteRequest) error {
	conf, c := p.configured()
	in := req.Inputs
	if len(in) == 0 {
		in = req.Outputs
	}
	rel, err := decodeRelease(in)
	if err != nil {
		return err
	}
	if namespace, name := parseID(string(req.ID)); name != "" {
		rel.Name, rel.Namespace = name, cmp.Or(namespace, rel.Namespace)
	}
	ctx, cancel := customTimeout(ctx, req.Timeout, rel.waitTimeout()+settleTimeout)
	defer cancel()
	cfg, err := p.helmAction(ctx, conf, c, rel.Namespace, func(msg string) { p.Status(ctx, req.URN, msg) })
	if err == nil {
		err = uninstall(ctx, cfg, rel)
	}
	if err != nil {
		return fmt.Errorf("uninstall Helm release %q: %w", req.ID, err)
	}
	return nil
}

// releaseState is a release's state: the inputs, and what Helm recorded. Without
// a record, in a preview, the status is missing and so unknown.
func releaseState(in resource.PropertyMap, rel *release.Release) resource.PropertyMap {
	out := in.Copy()
	// The inputs can hold anything that the chart takes, so they are secret.
	out[keyInputs] = resource.MakeSecret(resource.NewProperty(provider.PlainMap(in)))
	if rel == nil {
		return out
	}
	status := map[string]any{
		"name":      rel.Name,
		"namespace": rel.Namespace,
		"revision":  int64(rel.Version),
	}
	if rel.Info != nil {
		status["status"] = rel.Info.Status.String()
	}
	if rel.Chart != nil && rel.Chart.Metadata != nil {
		m := rel.Chart.Metadata
		status["chart"], status["version"], status["appVersion"] = m.Name, m.Version, m.AppVersion
		out["version"] = resource.NewProperty(m.Version)
	}
	if names, err := resourceNames(rel.Manifest); err == nil {
		out["resourceNames"] = toProperty(names)
	}
	out["status"] = toProperty(status)
	return out
}
