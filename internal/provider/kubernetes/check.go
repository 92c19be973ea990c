package kubernetes

import (
	"context"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Check completes the inputs: apiVersion and kind from the token, a name, and
// the default namespace. It calls the cluster only for the scope of a custom
// resource.
func (p *Provider) Check(ctx context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	ctx, done := p.Operation(ctx)
	defer done()
	conf, c := p.configured()
	if conf.skipUpdateUnreachable && len(req.Olds) > 0 && c.reach(ctx, true) != nil {
		return plugin.CheckResponse{Properties: req.Olds}, nil
	}
	if req.Type == releaseType {
		return p.checkRelease(ctx, req)
	}
	gvk, err := gvkOf(req.Type)
	if err != nil {
		return plugin.CheckResponse{}, err
	}
	obj := &unstructured.Unstructured{Object: toTree(req.News)}
	if isEmpty(obj.Object["apiVersion"]) {
		obj.Object["apiVersion"] = gvk.GroupVersion().String()
	}
	if isEmpty(obj.Object["kind"]) {
		obj.Object["kind"] = strings.TrimSuffix(gvk.Kind, "Patch")
	}
	fail := func(property, reason string) (plugin.CheckResponse, error) {
		return plugin.CheckResponse{Properties: req.News, Failures: []plugin.CheckFailure{{Property: keyOf(property), Reason: reason}}}, nil
	}
	switch metadata := mapAt(obj.Object, "metadata"); {
	case isList(req.Type, obj):
		return fail("kind", "lists cannot be created as one resource; create what they list")
	case !isEmpty(metadata["generateName"]):
		return fail("metadata", "generateName is not supported in server-side apply; leave it out to get a name of the resource's own")
	case isPatch(req.Type, obj.GetKind()) && isEmpty(metadata["name"]):
		return fail("metadata", "a patch resource needs the metadata.name of the object to patch")
	}
	removeReadOnly(obj)
	var old *unstructured.Unstructured
	if len(req.Olds) > 0 {
		old = &unstructured.Unstructured{Object: toTree(req.Olds)}
	}
	if err := assignName(obj, old, req); err != nil {
		return fail("metadata", err.Error())
	}
	if metadata := mapAt(obj.Object, "metadata"); metadata != nil && isEmpty(metadata["namespace"]) {
		switch namespaced, known := c.namespaced(ctx, obj.GroupVersionKind()); {
		case known && namespaced:
			metadata["namespace"] = conf.namespace
		case !known && old != nil && old.GetNamespace() != "":
			metadata["namespace"] = old.GetNamespace()
		}
	}

	props := toProperties(obj.Object)
	markSecrets(props, req.News)
	if isSecret(obj) {
		hideData(props)
	}
	return plugin.CheckResponse{Properties: props}, nil
}
