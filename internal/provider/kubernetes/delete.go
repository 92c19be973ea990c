package kubernetes

import (
	"context"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshwright/meshwright/internal/provider"
)

// Delete deletes the object with all that it owns and waits until it is gone.
// What is gone already, with or without its kind, is a success.
func (p *Provider) Delete(ctx context.Context, req plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	ctx, done := p.Operation(ctx)
	defer done()
	conf, c := p.configured()
	err := c.reach(ctx, false)
	if err == nil {
		err = p.delete(ctx, conf, c, req)
	}
	if err == nil || !noAnswer(err) {
		return plugin.DeleteResponse{}, err
	}
	gone, unproven := c.proof.get(ctx)
	if gone {
		p.Log(ctx, provider.Info, req.URN, "the cluster is gone, and the resource with it")
		return plugin.DeleteResponse{}, nil
	}
	return plugin.DeleteResponse{}, fmt.Errorf("%w; %w", err, unproven)
}

func (p *Provider) delete(ctx context.Context, conf config, c *cluster, req plugin.DeleteRequest) error {
	if req.Type == releaseType {
		return p.deleteRelease(ctx, req)
	}
	live, inputs, manager := parseState(req.Outputs)
	if len(req.Inputs) > 0 {
		inputs = &unstructured.Unstructured{Object: toTree(req.Inputs)}
	}
	if isEmpty(live.Object["kind"]) { // a state without outputs
		live = inputs
	}
	namespace, name := parseID(string(req.ID))
	live.SetName(name)
	live.SetNamespace(namespace)

	ctx, cancel := context.WithTimeout(ctx, timeoutOf(req.Timeout, inputs))
	defer cancel()
	client, err := c.client(ctx, live, conf.namespace)
	if err != nil {
		return unlessGone(err)
	}
	if isPatch(req.Type, live.GetKind()) {
		return unlessGone(c.relinquish(ctx, live, fieldManager(inputs, manager, req.URN)))
	}
	policy := propagation(inputs)
	err = p.settle(ctx, req.URN, func() error {
		return client.Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &policy})
	})
	switch {
	case isGone(err):
		return nil
	case apierrors.IsForbidden(err) && live.GetKind() == "Namespace":
		// The cluster's own namespaces cannot be deleted; what we set on one goes.
		return c.relinquish(ctx, live, fieldManager(inputs, manager, req.URN))
	case err != nil:
		return fmt.Errorf("delete %s %s: %w", live.GetKind(), req.ID, err)
	}
	if isCRD(live) {
		group, _, _ := unstructured.NestedString(live.Object, "spec", "group")
		defer c.forget(group)
	}
	if annotation(inputs, annSkipAwait) == "true" {
		return nil
	}
	if err := c.awaitGone(ctx, live); err != nil {
		return fmt.Errorf("delete %s %s: %w", live.GetKind(), req.ID, err)
	}
	return nil
}

// propagation is what happens to what the object owns: by default it goes first.
func propagation(inputs *unstructured.Unstructured) metav1.DeletionPropagation {
	switch annotation(inputs, annPropagation) {
	case "background":
		return metav1.DeletePropagationBackground
	case "orphan":
		return metav1.DeletePropagationOrphan
	}
	return metav1.DeletePropagationForeground
}
