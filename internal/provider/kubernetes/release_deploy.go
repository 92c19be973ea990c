package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
	"helm.sh/helm/v3/pkg/storage/driver"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// ownerLabel is on the record of a release and names the resource that it
// belongs to. By it an update that was killed finds its own release again.
const ownerLabel = "pulumi.com/release-manager"

// deployment is one install or upgrade.
type deployment struct {
	rel   *releaseInputs
	owner string // value of ownerLabel
	adopt bool   // the release is in the state, so it is ours whatever its label
}

// waitTimeout is how long Helm may wait for the release.
func (rel *releaseInputs) waitTimeout() time.Duration {
	if rel.Timeout == 0 {
		return defaultReleaseTimeout * time.Second
	}
	return time.Duration(rel.Timeout) * time.Second
}

// deploy installs the release, or upgrades what is there of it: a release in
// the state, or one that an interrupted update of the same resource has left.
// It returns the release also with an error when Helm has recorded one.
func (p *Provider) deploy(ctx context.Context, conf config, cfg *action.Configuration, d deployment) (*release.Release, error) {
	last, err := lastRelease(cfg, d.rel.Name)
	if err != nil {
		return nil, err
	}
	if last != nil && last.Info.Status != release.StatusUninstalled {
		if !d.adopt && last.Labels[ownerLabel] != d.owner && !d.rel.Replace {
			return nil, fmt.Errorf("cannot re-use the name %q, which is still in use by a release in namespace %s with status %s; "+
				"import it, or remove it with `helm uninstall`", d.rel.Name, last.Namespace, last.Info.Status)
		}
		if last, err = recoverRelease(ctx, cfg, last, d.rel); err != nil {
			return nil, fmt.Errorf("recover the interrupted release %q: %w", d.rel.Name, err)
		}
	}
	ch, err := p.findChart(conf, d.rel)
	if err != nil {
		return nil, err
	}
	labels := map[string]string{ownerLabel: d.owner}
	if last == nil || last.Info.Status == release.StatusUninstalled || d.rel.Replace && !d.adopt {
		client := action.NewInstall(cfg)
		client.Replace = d.rel.Replace || last != nil
		client.DisableHooks = d.rel.DisableWebhooks
		client.Wait, client.WaitForJobs = !d.rel.SkipAwait, !d.rel.SkipAwait && d.rel.WaitForJobs
		client.Timeout = d.rel.waitTimeout()
		client.ReleaseName, client.Namespace = d.rel.Name, d.rel.Namespace
		client.CreateNamespace = d.rel.CreateNamespace
		client.Atomic = d.rel.Atomic
		client.SkipCRDs = d.rel.SkipCrds
		client.SubNotes = d.rel.RenderSubchartNotes
		client.DisableOpenAPIValidation = d.rel.DisableOpenapiValidation
		client.Description = d.rel.Description
		client.Labels = labels
		if client.PostRenderer, err = postRenderer(d.rel); err != nil {
			return nil, err
		}
		return client.RunWithContext(ctx, ch, d.rel.values)
	}
	client := action.NewUpgrade(cfg)
	client.Namespace = d.rel.Namespace
	client.DisableHooks = d.rel.DisableWebhooks || d.rel.DisableCRDHooks
	client.Wait, client.WaitForJobs = !d.rel.SkipAwait, !d.rel.SkipAwait && d.rel.WaitForJobs
	client.Timeout = d.rel.waitTimeout()
	client.Atomic, client.CleanupOnFail = d.rel.Atomic, d.rel.CleanupOnFail
	client.SubNotes = d.rel.RenderSubchartNotes
	client.Force = d.rel.ForceUpdate
	client.Recreate = d.rel.RecreatePods
	client.ReuseValues = d.rel.ReuseValues && !d.rel.ResetValues
	// Without this, Helm keeps the old values when the new ones are empty.
	client.ResetValues = !client.ReuseValues
	client.DisableOpenAPIValidation = d.rel.DisableOpenapiValidation
	client.MaxHistory = d.rel.MaxHistory
	client.Description = d.rel.Description
	client.Labels = labels
	if client.PostRenderer, err = postRenderer(d.rel); err != nil {
		return nil, err
	}
	return client.RunWithContext(ctx, d.rel.Name, ch, d.rel.values)
}

// lastRelease returns the newest record of a release, or nil.
func lastRelease(cfg *action.Configuration, name string) (*release.Release, error) {
	history, err := cfg.Releases.History(name)
	if errors.Is(err, driver.ErrReleaseNotFound) || err == nil && len(history) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up release %q: %w", name, err)
	}
	releaseutil.Reverse(history, releaseutil.SortByRevision)
	return history[0], nil
}

// recoverRelease brings a release that a killed process left in the middle of
// something into a form that Helm goes on from. What was pending counts as
// failed, so that an upgrade completes it; what was being uninstalled is
// uninstalled, and nil returned. Pulumi's lock on the stack keeps any other
// process away meanwhile.
func recoverRelease(ctx context.Context, cfg *action.Configuration, last *release.Release, rel *releaseInputs) (*release.Release, error) {
	switch {
	case last.Info.Status.IsPending():
		last.SetStatus(release.StatusFailed, "interrupted while "+string(last.Info.Status))
		return last, cfg.Releases.Update(last)
	case last.Info.Status == release.StatusUninstalling:
		return nil, uninstall(ctx, cfg, rel)
	}
	return last, nil
}

// uninstall removes the release; one that is gone is a success. Helm's own
// uninstall takes no context, so it is left behind when ctx ends.
func uninstall(ctx context.Context, cfg *action.Configuration, rel *releaseInputs) error {
	client := action.NewUninstall(cfg)
	client.IgnoreNotFound = true
	client.DisableHooks = rel.DisableWebhooks
	client.Wait = rel.Atomic || !rel.SkipAwait
	client.Timeout = rel.waitTimeout()
	// Helm tells its log, and not its caller, why it cannot delete the objects.
	why, log := "", cfg.Log
	cfg.Log = func(format string, args ...any) {
		if strings.HasPrefix(format, "uninstall: Failed to delete release") {
			why = fmt.Sprintf(format, args...)
		}
		log(format, args...)
	}
	result := make(chan error, 1)
	go func() {
		_, err := client.Run(rel.Name)
		if err != nil && why != "" {
			err = fmt.Errorf("%w: %s", err, why)
		}
		// The kinds of some objects are gone, and the objects with them.
		if err != nil && isNoMatch(err) {
			if changed, ferr := forgetUnknownKinds(cfg, rel.Name); ferr == nil && changed {
				_, err = client.Run(rel.Name)
			}
		}
		result <- err
	}()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case err := <-result:
		if errors.Is(err, driver.ErrReleaseNotFound) {
			return nil
		}
		return err
	}
}

// forgetUnknownKinds takes objects whose kind is not defined any more out of the
// release's record, without which Helm would refuse to uninstall it.
func forgetUnknownKinds(cfg *action.Configuration, name string) (bool, error) {
	last, err := lastRelease(cfg, name)
	if err != nil || last == nil {
		return false, err
	}
	mapper, err := cfg.RESTClientGetter.ToRESTMapper()
	if err != nil {
		return false, err
	}
	var kept []string
	docs := splitDocuments(last.Manifest)
	for _, doc := range docs {
		h, err := parseHead(doc)
		if err != nil {
			return false, err
		}
		gvk := schema.FromAPIVersionAndKind(h.apiVersion, h.kind)
		if _, err := mapper.RESTMapping(gvk.GroupKind(), gvk.Version); h.kind != "" && meta.IsNoMatchError(err) {
			continue
		}
		kept = append(kept, doc)
	}
	last.Manifest = strings.Join(kept, "---\n")
	return len(kept) < len(docs), cfg.Releases.Update(last)
}
