package kubernetes

import (
	"context"
	"errors"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshwright/meshwright/internal/provider"
)

// Create applies the object and waits until it is ready. An object that was
// applied and does not get ready is kept in the state with what is wrong.
func (p *Provider) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	ctx, done := p.Operation(ctx)
	defer done()
	if req.Type == releaseType {
		return p.createRelease(ctx, req)
	}
	conf, c := p.configured()
	inputs := &unstructured.Unstructured{Object: toTree(req.Properties)}
	manager := fieldManager(inputs, "", req.URN)
	patch := isPatch(req.Type, inputs.GetKind())
	if req.Preview {
		return p.previewCreate(ctx, conf, c, req, inputs, manager), nil
	}

	ctx, cancel := context.WithTimeout(ctx, timeoutOf(req.Timeout, inputs))
	defer cancel()
	if err := c.reach(ctx, false); err != nil {
		return plugin.CreateResponse{Status: resource.StatusOK}, err
	}
	obj := normalize(inputs)
	force := patch || conf.patchForce || annotation(obj, annPatchForce) == "true"
	var live *unstructured.Unstructured
	err := p.settle(ctx, req.URN, func() (err error) {
		if !patch && !conf.upsert {
			if err := c.mayCreate(ctx, obj, manager, conf.namespace); err != nil {
				return err
			}
		}
		live, err = c.patch(ctx, obj, patchOptions{manager: manager, namespace: conf.namespace, force: force})
		return err
	})
	switch {
	case meta.IsNoMatchError(err):
		return plugin.CreateResponse{}, fmt.Errorf(
			"creation of resource %q with kind %s failed because the Kubernetes API server reported that the apiVersion for this resource does not exist. "+
				"Verify that any required CRDs have been created: %w", req.URN, obj.GroupVersionKind(), err)
	case err != nil:
		return plugin.CreateResponse{}, fmt.Errorf("resource %q was not successfully created by the Kubernetes API server: %w", req.URN, err)
	}

	apiVersion := inputs.GetAPIVersion()
	live, err = p.awaitReady(ctx, c, req.URN, obj, live)
	state := checkpoint(live, inputs, req.Properties, apiVersion, manager)
	id := resource.ID(idOf(live.GetNamespace(), live.GetName()))
	if err != nil {
		return plugin.CreateResponse{}, provider.PartialFailure(id, state, nil, reasons(fmt.Errorf(
			"resource %q was successfully created, but the Kubernetes API server reported that it failed to fully initialize or become live: %w", req.URN, err))...)
	}
	return plugin.CreateResponse{ID: id, Properties: state}, nil
}

// previewCreate dry-runs the object where that can be done, so that the preview
// knows what the API server fills in. Where it cannot be done (something is
// unknown, no cluster yet, no such kind or namespace yet) the inputs are the
// answer.
func (p *Provider) previewCreate(ctx context.Context, conf config, c *cluster, req plugin.CreateRequest, inputs *unstructured.Unstructured, manager string) plugin.CreateResponse {
	asGiven := plugin.CreateResponse{Properties: req.Properties}
	if hasUnknown(inputs.Object) || isPatch(req.Type, inputs.GetKind()) || c.reach(ctx, true) != nil {
		return asGiven
	}
	live, err := c.patch(ctx, normalize(inputs), patchOptions{manager: manager, namespace: conf.namespace, force: true, dryRun: true})
	if err != nil {
		return asGiven
	}
	unstructured.RemoveNestedField(live.Object, "status")
	removeReadOnly(live) // the object does not exist
	return plugin.CreateResponse{Properties: checkpoint(live, inputs, req.Properties, inputs.GetAPIVersion(), manager)}
}

// Update applies the new inputs to the object and waits as Create does.
func (p *Provider) Update(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	ctx, done := p.Operation(ctx)
	defer done()
	if req.Type == releaseType {
		return p.updateRelease(ctx, req)
	}
	conf, c := p.configured()
	inputs := &unstructured.Unstructured{Object: toTree(req.NewInputs)}
	oldLive, _, oldManager := parseState(req.OldOutputs)
	manager := fieldManager(inputs, oldManager, req.URN)
	apiVersion := initialAPIVersion(req.OldOutputs, inputs.GetAPIVersion())
	patch := isPatch(req.Type, inputs.GetKind())
	force := patch || conf.patchForce || annotation(inputs, annPatchForce) == "true"
	if req.Preview {
		if hasUnknown(inputs.Object) || c.reach(ctx, true) != nil {
			return plugin.UpdateResponse{Properties: req.NewInputs}, nil
		}
		obj := normalize(inputs)
		leaveIgnored(obj, oldLive, manager, req.IgnoreChanges)
		live, err := c.patch(ctx, obj, patchOptions{manager: manager, namespace: conf.namespace, force: force, dryRun: true})
		switch {
		case apierrors.IsConflict(err): // better said now than in the middle of the update
			return plugin.UpdateResponse{}, fmt.Errorf("update of resource %q failed: %w", req.URN, err)
		case err != nil:
			return plugin.UpdateResponse{Properties: req.NewInputs}, nil
		}
		return plugin.UpdateResponse{Properties: checkpoint(live, inputs, req.NewInputs, apiVersion, manager)}, nil
	}

	ctx, cancel := context.WithTimeout(ctx, timeoutOf(req.Timeout, inputs))
	defer cancel()
	if err := c.reach(ctx, false); err != nil {
		return plugin.UpdateResponse{Status: resource.StatusOK}, err
	}
	obj := normalize(inputs)
	if len(req.IgnoreChanges) > 0 {
		if now, err := c.get(ctx, obj, conf.namespace); err == nil {
			leaveIgnored(obj, now, manager, req.IgnoreChanges)
		}
	}
	var live *unstructured.Unstructured
	err := p.settle(ctx, req.URN, func() (err error) {
		live, err = c.patch(ctx, obj, patchOptions{manager: manager, namespace: conf.namespace, force: force})
		return err
	})
	if err != nil {
		return plugin.UpdateResponse{}, fmt.Errorf("update of resource %q failed: %w", req.URN, err)
	}
	if oldManager != "" && oldManager != manager {
		if err := c.relinquish(ctx, live, oldManager); err != nil {
			return plugin.UpdateResponse{}, fmt.Errorf("give up the fields of %s: %w", oldManager, err)
		}
	}
	live, err = p.awaitReady(ctx, c, req.URN, obj, live)
	state := checkpoint(live, inputs, req.NewInputs, apiVersion, manager)
	if err != nil {
		id := idOf(live.GetNamespace(), live.GetName())
		return plugin.UpdateResponse{}, provider.PartialFailure(resource.ID(id), state, nil, reasons(fmt.Errorf(
			"the Kubernetes API server reported that %q failed to fully initialize or become live: %w", id, err))...)
	}
	return plugin.UpdateResponse{Properties: state}, nil
}

// reasons splits an error into what the engine lists: the error, then the
// details of the wait that failed.
func reasons(err error) []string {
	out := []string{err.Error()}
	var w *waitError
	if errors.As(err, &w) {
		out = append(out, w.details...)
	}
	return out
}
