package kubernetes

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// defaultTimeout is how long a resource may take, unless customTimeouts or
	// its annotation say otherwise.
	defaultTimeout = 10 * time.Minute
	// settleTimeout is how long an operation waits for a kind or a namespace that
	// does not exist, or for an API server that has gone away. Longer would only
	// delay the report of a missing one.
	settleTimeout = time.Minute
	// busyTimeout is how long it waits for anything else that passes by itself, such as
	// an admission webhook whose pods have still to start.
	busyTimeout = 4 * time.Minute
)

// timeoutOf returns how long an operation on obj may take: seconds where it is
// positive (customTimeouts), the annotation, or the default.
func timeoutOf(seconds float64, obj *unstructured.Unstructured) time.Duration {
	if seconds > 0 {
		return time.Duration(seconds * float64(time.Second))
	}
	if n, err := strconv.Atoi(annotation(obj, annTimeout)); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	return defaultTimeout
}

type patchOptions struct {
	manager   string
	namespace string // for an object of a namespaced kind that names none
	force     bool
	dryRun    bool
}

// patch applies obj once, server-side.
func (c *cluster) patch(ctx context.Context, obj *unstructured.Unstructured, o patchOptions) (*unstructured.Unstructured, error) {
	client, err := c.client(ctx, obj, o.namespace)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(obj.Object)
	if err != nil {
		return nil, err
	}
	opts := metav1.PatchOptions{FieldManager: o.manager, Force: &o.force}
	if o.dryRun {
		opts.DryRun = []string{metav1.DryRunAll}
	}
	live, err := client.Patch(ctx, obj.GetName(), types.ApplyPatchType, body, opts)
	if err != nil {
		return nil, applyError(err, o.manager)
	}
	return live, nil
}

// settle repeats do while it fails for a reason that passes by itself: until ctx
// ends, or the reason's own time is over, or the cluster is proven to be gone. The
// error that it returns then is the last reason.
func (p *Provider) settle(ctx context.Context, urn resource.URN, do func() error) error {
	start, pause := time.Now(), 100*time.Millisecond
	var last error // that was to pass
	gaveUp := func(why error) error {
		return fmt.Errorf("%w (gave up after %s: %w)", last, time.Since(start).Round(time.Second), why)
	}
	for attempt := 1; ; attempt++ {
		err := do()
		if err == nil {
			return nil
		}
		reason := retryReason(err)
		switch {
		case reason != "":
			last = err
		case last != nil && cutShort(ctx, err):
			return gaveUp(cmp.Or(context.Cause(ctx), err))
		default:
			return err
		}
		limit := cmp.Or(p.busy, busyTimeout)
		if isNoMatch(err) || isNamespaceMissing(err) || refusedConnection(err) {
			limit = settleTimeout
		}
		if took := time.Since(start); took > limit {
			return fmt.Errorf("%s; gave up after %s: %w", reason, took.Round(time.Second), err)
		}
		if refusedConnection(err) {
			if _, c := p.configured(); c != nil && c.proof.proven(ctx) {
				return err
			}
		}
		p.Status(ctx, urn, fmt.Sprintf("retry %d: %s", attempt, reason))
		select {
		case <-ctx.Done():
			return gaveUp(context.Cause(ctx))
		case <-time.After(pause):
		}
		pause = min(pause*3/2, 500*time.Millisecond)
	}
}

// cutShort says whether an attempt failed because the time was over, so that its error
// does not say why it was repeated. Near the deadline the client refuses to begin.
func cutShort(ctx context.Context, err error) bool {
	var waited *waitError
	var answer apierrors.APIStatus
	if errors.As(err, &waited) || errors.As(err, &answer) {
		return false // they do say why
	}
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && time.Until(deadline) < 100*time.Millisecond
}

// mayCreate refuses an object that exists and is not ours, as the official
// provider does, since deleting the resource would delete it. Ours is one that
// carries this resource's field manager: an update that was killed before it
// could record it.
func (c *cluster) mayCreate(ctx context.Context, obj *unstructured.Unstructured, manager, namespace string) error {
	found, err := c.get(ctx, obj, namespace)
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return err
	case found.GetDeletionTimestamp() != nil:
		return errTerminating
	}
	for _, f := range found.GetManagedFields() {
		if f.Manager == manager && f.Operation == metav1.ManagedFieldsOperationApply {
			return nil
		}
	}
	m, err := c.mappingFor(ctx, obj.GroupVersionKind())
	if err != nil {
		return err
	}
	return fmt.Errorf("%w; import it, delete it, or set upsertExistingObjects on the provider to take it over",
		apierrors.NewAlreadyExists(m.resource.GroupResource(), obj.GetName()))
}

// relinquish gives up the fields that manager owns and leaves the object.
func (c *cluster) relinquish(ctx context.Context, obj *unstructured.Unstructured, manager string) error {
	empty := identity(obj.GroupVersionKind(), obj.GetNamespace(), obj.GetName())
	_, err := c.patch(ctx, empty, patchOptions{manager: manager, namespace: obj.GetNamespace(), force: true})
	if apierrors.IsInvalid(err) {
		return fmt.Errorf("%s %q needs a field that this resource manages, so it cannot be given up; "+
			"use the retainOnDelete option, or let another manager own the field first: %w", obj.GetKind(), obj.GetName(), err)
	}
	return err
}

// leaveIgnored takes out of obj what ignoreChanges names and others manage, so
// that applying neither conflicts with them nor takes it from them.
func leaveIgnored(obj, live *unstructured.Unstructured, manager string, ignore []string) {
	for _, pattern := range ignore {
		path, err := resource.ParsePropertyPath(pattern)
		keys := textKeys(path)
		if err != nil || len(keys) == 0 || len(keys) != len(path) {
			continue
		}
		ours, theirs := false, false
		for _, f := range live.GetManagedFields() {
			owned := f.FieldsV1 != nil && owns(f.FieldsV1.Raw, keys)
			ours = ours || owned && f.Manager == manager
			theirs = theirs || owned && f.Manager != manager
		}
		if theirs && !ours {
			unstructured.RemoveNestedField(obj.Object, keys...)
		}
	}
}

// owns says whether managed fields, as the API server encodes them, have a path.
func owns(fields []byte, keys []string) bool {
	var tree map[string]any
	path := make([]string, len(keys))
	for i, key := range keys {
		path[i] = "f:" + key
	}
	return json.Unmarshal(fields, &tree) == nil && mapAt(tree, path...) != nil
}

// lastState reads the object once more after an operation has ended badly, in
// a time of its own, since the operation's has run out. It returns fallback when
// the object cannot be read.
func (c *cluster) lastState(obj, fallback *unstructured.Unstructured) *unstructured.Unstructured {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	live, err := c.get(ctx, obj, obj.GetNamespace())
	if err != nil {
		return fallback
	}
	return live
}
