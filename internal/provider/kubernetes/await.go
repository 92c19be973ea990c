package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

// rewatch is how long a broken watch rests before it starts again.
const rewatch = 200 * time.Millisecond

// waitError is a wait that ended without what it waited for.
type waitError struct {
	what    string   // such as `Deployment "istio-system/istiod" is not ready`
	state   string   // the last state seen
	details []string // more evidence, such as the states of its pods
	cause   error    // why the wait ended: a timeout, a cancellation, a failure
}

func (e *waitError) Error() string {
	s := e.what
	if e.state != "" {
		s += ": " + e.state
	}
	if len(e.details) > 0 {
		s += "; " + strings.Join(e.details, "; ")
	}
	if e.cause != nil {
		s += " (" + describeEnd(e.cause) + ")"
	}
	return s
}

func (e *waitError) Unwrap() error { return e.cause }

func describeEnd(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "timed out"
	}
	return err.Error()
}

// errFailed is the cause of a wait that ended because the object can no longer
// become ready.
var errFailed = errors.New("it has failed")

// readiness is what a rule says of an object as it is.
type readiness struct {
	done   bool
	failed bool   // it will not get ready any more
	state  string // the state in words
}

// object is an endpoint and a name on it.
type object struct {
	client dynamic.ResourceInterface
	name   string
}

// await watches one object until ready says that it is done. It returns the
// last state of the object, also with an error, where it has one. A missing
// object is a state, not an error: it may come.
func await(ctx context.Context, o object, ready func(*unstructured.Unstructured) readiness, seen func(readiness)) (*unstructured.Unstructured, error) {
	var last *unstructured.Unstructured
	var lastState readiness
	judge := func(obj *unstructured.Unstructured) bool {
		r := readiness{state: "it does not exist"}
		if obj != nil {
			r, last = ready(obj), obj
		}
		if r != lastState && seen != nil {
			seen(r)
		}
		lastState = r
		return r.done || r.failed
	}
	err := follow(ctx, o.client, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", o.name).String()},
		func(items map[string]*unstructured.Unstructured) bool { return judge(items[o.name]) })
	switch {
	case lastState.done:
		return last, nil
	case lastState.failed:
		return last, &waitError{state: lastState.state, cause: errFailed}
	}
	return last, &waitError{state: lastState.state, cause: err}
}

// follow keeps the listed objects up to date, by name, and calls done with them
// after every change until it returns true or ctx ends. The map is follow's own.
func follow(ctx context.Context, client dynamic.ResourceInterface, opts metav1.ListOptions, done func(map[string]*unstructured.Unstructured) bool) error {
	for {
		finished, err := followOnce(ctx, client, opts, done)
		if finished {
			return nil
		}
		if err != nil && !isTransient(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(rewatch):
		}
	}
}

func followOnce(ctx context.Context, client dynamic.ResourceInterface, opts metav1.ListOptions, done func(map[string]*unstructured.Unstructured) bool) (bool, error) {
	list, err := client.List(ctx, opts)
	if err != nil {
		return false, err
	}
	items := make(map[string]*unstructured.Unstructured, len(list.Items))
	for i := range list.Items {
		items[list.Items[i].GetName()] = &list.Items[i]
	}
	if done(items) {
		return true, nil
	}
	opts.ResourceVersion = list.GetResourceVersion()
	w, err := client.Watch(ctx, opts)
	if err != nil {
		return false, err
	}
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case event, ok := <-w.ResultChan():
			if !ok {
				return false, nil
			}
			obj, isObject := event.Object.(*unstructured.Unstructured)
			switch {
			case event.Type == watch.Error:
				return false, apierrors.FromObject(event.Object)
			case !isObject || event.Type == watch.Bookmark:
				continue
			case event.Type == watch.Deleted:
				delete(items, obj.GetName())
			default:
				items[obj.GetName()] = obj
			}
			if done(items) {
				return true, nil
			}
		}
	}
}

// isTransient says whether a list or watch may be tried again.
func isTransient(err error) bool {
	return retryReason(err) != "" || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) ||
		apierrors.IsInternalError(err) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// awaitReady waits until the object is ready by the rules of its kind and its
// annotations. It returns the last state seen, also with an error.
func (p *Provider) awaitReady(ctx context.Context, c *cluster, urn resource.URN, inputs, live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if annotation(inputs, annSkipAwait) == "true" {
		return live, nil
	}
	rules, err := c.rulesFor(ctx, inputs, live)
	if err != nil {
		return live, err
	}
	seen := func(r readiness) {
		if !r.done {
			p.Status(ctx, urn, r.state)
		}
	}
	return c.awaitRules(ctx, live, rules, seen)
}

func (c *cluster) awaitRules(ctx context.Context, live *unstructured.Unstructured, rules []rule, seen func(readiness)) (*unstructured.Unstructured, error) {
	for _, r := range rules {
		client, err := c.client(ctx, live, live.GetNamespace())
		if err != nil {
			return live, err
		}
		var last *unstructured.Unstructured
		if r.ready != nil {
			if r.ready(live).done { // often so for what was ready before
				continue
			}
			last, err = await(ctx, object{client, live.GetName()}, r.ready, seen)
		} else {
			err = r.wait(ctx)
		}
		if last != nil {
			live = last
		}
		if err != nil {
			live = c.lastState(live, live)
			return live, c.explain(live, err)
		}
	}
	return live, nil
}

// readyNow judges the object once, without waiting.
func (c *cluster) readyNow(ctx context.Context, inputs, live *unstructured.Unstructured) error {
	if annotation(inputs, annSkipAwait) == "true" {
		return nil
	}
	rules, err := c.rulesFor(ctx, inputs, live)
	if err != nil {
		return nil // what is awaited is the business of an update
	}
	for _, r := range rules {
		if r.ready == nil {
			continue
		}
		if state := r.ready(live); !state.done {
			return c.explain(live, &waitError{state: state.state})
		}
	}
	return nil
}

// explain adds to a failed wait what it was for, and the evidence.
func (c *cluster) explain(live *unstructured.Unstructured, err error) error {
	var w *waitError
	if !errors.As(err, &w) {
		w = &waitError{cause: err}
	}
	w.what = fmt.Sprintf("%s %q is not ready", live.GetKind(), idOf(live.GetNamespace(), live.GetName()))
	w.details = c.evidence(live)
	return w
}

// awaitGone waits until the object has been deleted.
func (c *cluster) awaitGone(ctx context.Context, obj *unstructured.Unstructured) error {
	client, err := c.client(ctx, obj, obj.GetNamespace())
	if isGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	var last *unstructured.Unstructured
	err = follow(ctx, client, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", obj.GetName()).String()},
		func(items map[string]*unstructured.Unstructured) bool {
			now := items[obj.GetName()]
			// An object of another uid is somebody's new one.
			if now == nil || obj.GetUID() != "" && now.GetUID() != obj.GetUID() {
				return true
			}
			last = now
			return false
		})
	if err == nil || isGone(err) {
		return nil
	}
	w := &waitError{what: fmt.Sprintf("%s %q is still being deleted", obj.GetKind(), idOf(obj.GetNamespace(), obj.GetName())), cause: err}
	if last != nil {
		if f := last.GetFinalizers(); len(f) > 0 {
			w.state = "its finalizers are " + strings.Join(f, ", ")
		}
		w.details = conditionDetails(last)
	}
	return w
}

// groupKind is short for tables.
func groupKind(group, kind string) schema.GroupKind {
	return schema.GroupKind{Group: group, Kind: kind}
}
