package kubernetes

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshwright/meshwright/internal/provider"
)

// Diff compares what the live object has of the old inputs with the new inputs.
// So a field that somebody changed shows once a refresh has read it, and fields
// that the cluster fills in never show. It works without a cluster; with one, a
// dry run says whether the API server takes the change in place.
func (p *Provider) Diff(ctx context.Context, req plugin.DiffRequest) (plugin.DiffResponse, error) {
	if req.Type == releaseType {
		return p.diffRelease(req)
	}
	ctx, done := p.Operation(ctx)
	defer done()
	conf, c := p.configured()

	live, recorded, manager := parseState(req.OldOutputs)
	if len(req.OldInputs) > 0 {
		recorded = &unstructured.Unstructured{Object: toTree(req.OldInputs)}
	}
	given := &unstructured.Unstructured{Object: toTree(req.NewInputs)}
	after := normalize(given)
	shape := normalize(recorded)
	before := &unstructured.Unstructured{Object: prune(normalize(live).Object, shape.Object).(map[string]any)}
	if len(live.Object) == 0 { // a state without outputs: compare the inputs
		before = shape
	}
	alignIdentity(ctx, conf, c, before, after, live)

	patch := isPatch(req.Type, after.GetKind())
	changes := differences(before.Object, after.Object, req.IgnoreChanges, forceNew(conf, after, patch))
	if len(changes) > 0 && !slices.ContainsFunc(changes, change.isReplace) && !patch && !hasUnknown(after.Object) {
		p.markImmutable(ctx, conf, c, after, fieldManager(after, manager, req.URN), changes)
	}

	res := answer(changes)
	res.DetailedDiff = answer(asGiven(changes, given)).DetailedDiff
	if annotation(after, annReplaceUnready) == "true" && p.unready(ctx, c, req.URN, live) {
		path := resource.PropertyPath{"metadata", "annotations", annReplaceUnready}.String()
		res.Changes = plugin.DiffSome
		res.ReplaceKeys = append(res.ReplaceKeys, keyOf(path))
		res.DetailedDiff[path] = plugin.PropertyDiff{Kind: plugin.DiffUpdateReplace}
	}
	res.DeleteBeforeReplace = len(res.ReplaceKeys) > 0 &&
		annotation(after, annAutonamed) != "true" &&
		after.GetName() != "" && after.GetName() == live.GetName() && after.GetNamespace() == before.GetNamespace()
	return res, nil
}

// alignIdentity gives both sides the same form of what identifies the object,
// so that a namespace left out and the default one are the same.
func alignIdentity(ctx context.Context, conf config, c *cluster, before, after, live *unstructured.Unstructured) {
	namespaced, known := c.namespaced(ctx, after.GroupVersionKind())
	switch {
	case mapAt(before.Object, "metadata") == nil || mapAt(after.Object, "metadata") == nil:
	case known && !namespaced:
		unstructured.RemoveNestedField(before.Object, "metadata", "namespace")
		unstructured.RemoveNestedField(after.Object, "metadata", "namespace")
	case known || live.GetNamespace() != "":
		if before.GetNamespace() == "" {
			before.SetNamespace(cmp.Or(live.GetNamespace(), conf.namespace))
		}
		if after.GetNamespace() == "" {
			after.SetNamespace(conf.namespace)
		}
	}
	if after.GetName() != "" && live.GetName() != "" {
		before.SetName(live.GetName())
	}
	if isEmpty(before.Object["kind"]) {
		before.SetGroupVersionKind(after.GroupVersionKind())
	}
}

// asGiven names a Secret's changes where the program wrote them: under
// stringData, which normalize had moved to data.
func asGiven(changes []change, given *unstructured.Unstructured) []change {
	if !isSecret(given) {
		return changes
	}
	text := mapAt(given.Object, "stringData")
	out := make([]change, len(changes))
	for i, ch := range changes {
		if len(ch.path) == 2 && ch.path[0] == "data" {
			if key, ok := ch.path[1].(string); ok && text[key] != nil {
				ch.path = resource.PropertyPath{"stringData", key}
			}
		}
		out[i] = ch
	}
	return out
}

// markImmutable asks the API server, in a dry run, whether it would take the
// change, and makes replacements of what it calls immutable. Every other answer
// leaves the changes as they are: the update itself will report it.
func (p *Provider) markImmutable(ctx context.Context, conf config, c *cluster, obj *unstructured.Unstructured, manager string, changes []change) {
	if c.reach(ctx, true) != nil {
		return
	}
	_, err := c.patch(ctx, obj.DeepCopy(), patchOptions{manager: manager, namespace: conf.namespace, force: true, dryRun: true})
	var status apierrors.APIStatus
	if err == nil || !errors.As(err, &status) || !apierrors.IsInvalid(err) || status.Status().Details == nil {
		return
	}
	for _, cause := range status.Status().Details.Causes {
		if !isImmutable(cause) {
			continue
		}
		field, found := strings.TrimSuffix(cause.Field, "."), false
		if i := strings.IndexByte(field, '['); i >= 0 {
			field = field[:i]
		}
		for i, ch := range changes {
			if ch.under(field) {
				changes[i].kind, found = ch.kind.AsReplace(), true
			}
		}
		if !found {
			for i, ch := range changes {
				changes[i].kind = ch.kind.AsReplace()
			}
		}
	}
}

// isImmutable knows the words in which the API server refuses to change a field.
func isImmutable(cause metav1.StatusCause) bool {
	return slices.ContainsFunc([]string{"immutable", "updates to ", "may not change", "may not be changed", "cannot change", "cannot be changed"},
		func(words string) bool { return strings.Contains(cause.Message, words) })
}

// unready says whether a Job that asks for it has failed or not finished.
func (p *Provider) unready(ctx context.Context, c *cluster, urn resource.URN, live *unstructured.Unstructured) bool {
	if live.GetKind() != "Job" {
		p.Log(ctx, provider.Warning, urn, "replaceUnready annotation is not supported for this resource")
		return false
	}
	if err := c.reach(ctx, true); err != nil {
		p.Log(ctx, provider.Warning, urn, "Cluster is unreachable, skipping replaceUnready check")
		return false
	}
	now, err := c.get(ctx, live, live.GetNamespace())
	if err != nil {
		return false
	}
	return !jobReady(now).done
}
