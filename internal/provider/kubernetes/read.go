package kubernetes

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/meshwright/meshwright/internal/provider"
)

const deleteUnreachableHelp = "if the cluster was deleted, delete its resources from the state: pulumi state delete"

// readTimeout bounds a refresh of one resource, which only reads.
const readTimeout = time.Minute

// Read refreshes a resource, or imports one when it has no state. A resource
// that is gone, alone or with its kind, has no ID.
func (p *Provider) Read(ctx context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	ctx, done := p.Operation(ctx)
	defer done()
	conf, c := p.configured()
	if err := c.reach(ctx, false); err != nil {
		return p.readUnreachable(ctx, conf, c, req, err)
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if req.Type == releaseType {
		return p.readRelease(ctx, req)
	}
	gvk, err := gvkOf(req.Type)
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	namespace, name := parseID(string(req.ID))
	if name == "" {
		return plugin.ReadResponse{}, fmt.Errorf("the ID %q names no object; write namespace/name, or name for an object of the whole cluster", req.ID)
	}
	oldLive, recorded, manager := parseState(req.State)
	inputs := &unstructured.Unstructured{Object: toTree(req.Inputs)}
	if len(req.Inputs) == 0 {
		inputs = recorded
	}
	importing := len(inputs.Object) == 0

	target := identity(gvk, namespace, name)
	target.SetAPIVersion(cmp.Or(inputs.GetAPIVersion(), oldLive.GetAPIVersion(), target.GetAPIVersion()))
	target.SetKind(cmp.Or(inputs.GetKind(), gvk.Kind))
	live, err := c.get(ctx, target, conf.namespace)
	switch {
	case isGone(err):
		return plugin.ReadResponse{}, nil
	case err != nil:
		return plugin.ReadResponse{}, fmt.Errorf("read %s %s: %w", target.GetKind(), req.ID, err)
	}

	var liveInputs *unstructured.Unstructured
	if importing {
		liveInputs = importedInputs(live)
	} else {
		liveInputs = refreshedInputs(live, inputs)
	}
	manager = fieldManager(liveInputs, manager, req.URN)
	props := toProperties(liveInputs.Object)
	markSecrets(props, req.Inputs)
	if isSecret(live) {
		hideData(props)
	}
	state := checkpoint(live, liveInputs, props, initialAPIVersion(req.State, target.GetAPIVersion()), manager)
	res := plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: props, Outputs: state}}
	if importing {
		return res, nil
	}
	if err := c.readyNow(ctx, liveInputs, live); err != nil {
		return plugin.ReadResponse{}, provider.PartialFailure(req.ID, state, props, reasons(err)...)
	}
	return res, nil
}

func (p *Provider) readUnreachable(ctx context.Context, conf config, c *cluster, req plugin.ReadRequest, err error) (plugin.ReadResponse, error) {
	gone, unproven := c.proof.get(ctx)
	switch {
	case gone:
		p.Log(ctx, provider.Info, req.URN, "the cluster is gone: the resource is dropped from the state")
		return plugin.ReadResponse{}, nil
	case conf.skipUpdateUnreachable:
		p.Log(ctx, provider.Warning, req.URN, fmt.Sprintf("%v, and skipUpdateUnreachable is set: the state may be out of date", err))
		return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: req.Inputs, Outputs: req.State}}, nil
	}
	return plugin.ReadResponse{}, fmt.Errorf("failed to read resource state due to unreachable cluster: %w; %w", err, unproven)
}

// refreshedInputs is what the live object has of the inputs, in the inputs' own
// spelling where the value is the same.
func refreshedInputs(live, inputs *unstructured.Unstructured) *unstructured.Unstructured {
	shape := normalize(inputs)
	pruned := prune(normalize(live).Object, shape.Object).(map[string]any)
	out := respell(inputs.Object, shape.Object, pruned).(map[string]any)
	if isSecret(inputs) { // the texts that data still holds stay texts
		keepStringData(inputs.Object, shape.Object, pruned, out)
	}
	result := &unstructured.Unstructured{Object: out}
	result.SetGroupVersionKind(live.GroupVersionKind())
	return result
}

// respell returns now, but given wherever its canonical form equals now.
func respell(given, canonical, now any) any {
	if len(compare(resource.PropertyPath{}, canonical, now)) == 0 {
		return given
	}
	g, gok := given.(map[string]any)
	c, cok := canonical.(map[string]any)
	n, nok := now.(map[string]any)
	if !gok || !cok || !nok {
		return now
	}
	out := make(map[string]any, len(n))
	for k, v := range n {
		if gv, ok := g[k]; ok {
			out[k] = respell(gv, c[k], v)
		} else {
			out[k] = v
		}
	}
	return out
}

func keepStringData(given, canonical, now, out map[string]any) {
	text := mapAt(given, "stringData")
	if text == nil || len(compare(nil, canonical, now)) == 0 {
		return
	}
	data := map[string]any{}
	kept := map[string]any{}
	for k, v := range mapAt(now, "data") {
		if t, ok := text[k]; ok && v == mapAt(canonical, "data")[k] {
			kept[k] = t
		} else {
			data[k] = v
		}
	}
	delete(out, "data")
	delete(out, "stringData")
	if len(data) > 0 {
		out["data"] = data
	}
	if len(kept) > 0 {
		out["stringData"] = kept
	}
}

// importedInputs is the live object without what only the cluster writes.
func importedInputs(live *unstructured.Unstructured) *unstructured.Unstructured {
	out := live.DeepCopy()
	delete(out.Object, "status")
	removeReadOnly(out)
	for _, key := range []string{lastApplied, "deployment.kubernetes.io/revision"} {
		unstructured.RemoveNestedField(out.Object, "metadata", "annotations", key)
	}
	if isEmpty(mapAt(out.Object, "metadata")["annotations"]) {
		unstructured.RemoveNestedField(out.Object, "metadata", "annotations")
	}
	return out
}
