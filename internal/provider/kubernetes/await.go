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
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	watchtools "k8s.io/client-go/tools/watch"
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
	switch {
	case errors.Is(e.cause, context.DeadlineExceeded):
		return s + " (timed out)"
	case e.cause != nil:
		return s + " (" + e.cause.Error() + ")"
	}
	return s
}

func (e *waitError) Unwrap() error { return e.cause }

// errFailed is the cause of a wait that ended because the object can no longer
// become ready.
var errFailed = errors.New("it has failed")

// readiness is what a rule says of an object as it is.
type readiness struct {
	done   bool
	failed bool   // it will not get ready any more
	state  string // the state in words
}

// await watches one object until ready says that it is done. It returns the
// last state of the object, also with an error, where it has one. A missing
// object is a state, not an error: it may come.
func await(ctx context.Context, client dynamic.ResourceInterface, name string, ready func(*unstructured.Unstructured) readiness, seen func(*unstructured.Unstructured, readiness)) (*unstructured.Unstructured, error) {
	var last *unstructured.Unstructured
	var state readiness
	err := follow(ctx, client, single(name), func(items map[string]*unstructured.Unstructured) bool {
		now := readiness{state: "it does not exist"}
		if obj := items[name]; obj != nil {
			now, last = ready(obj), obj
		}
		if now != state && seen != nil {
			seen(last, now)
		}
		state = now
		return now.done || now.failed
	})
	switch {
	case state.done:
		return last, nil
	case state.failed:
		err = errFailed
	}
	return last, &waitError{state: state.state, cause: err}
}

// single selects one object by its name.
func single(name string) metav1.ListOptions {
	return metav1.SingleObject(metav1.ObjectMeta{Name: name})
}

// follow keeps the listed objects up to date, by name, and calls done with them
// after every change until it returns true or ctx ends. The map is follow's own.
func follow(ctx context.Context, client dynamic.ResourceInterface, opts metav1.ListOptions, done func(map[string]*unstructured.Unstructured) bool) error {
	for {
		err := followOnce(ctx, client, opts, done)
		if err == nil || ctx.Err() == nil && !isTransient(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(rewatch):
		}
	}
}

func followOnce(ctx context.Context, client dynamic.ResourceInterface, opts metav1.ListOptions, done func(map[string]*unstructured.Unstructured) bool) error {
	list, err := client.List(ctx, opts)
	if err != nil {
		return err
	}
	items := make(map[string]*unstructured.Unstructured, len(list.Items))
	for i := range list.Items {
		items[list.Items[i].GetName()] = &list.Items[i]
	}
	if done(items) {
		return nil
	}
	opts.ResourceVersion = list.GetResourceVersion()
	w, err := client.Watch(ctx, opts)
	if err != nil {
		return err
	}
	_, err = watchtools.UntilWithoutRetry(ctx, w, func(event watch.Event) (bool, error) {
		obj, isObject := event.Object.(*unstructured.Unstructured)
		switch {
		case event.Type == watch.Error:
			return false, apierrors.FromObject(event.Object)
		case !isObject || event.Type == watch.Bookmark:
			return false, nil
		case event.Type == watch.Deleted:
			delete(items, obj.GetName())
		default:
			items[obj.GetName()] = obj
		}
		return done(items), nil
	})
	return err
}

// isTransient says whether a list or watch may be tried again.
func isTransient(err error) bool {
	return errors.Is(err, watchtools.ErrWatchClosed) || retryReason(err) != "" || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) ||
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
	client, err := c.client(ctx, live, live.GetNamespace())
	if err != nil {
		return live, err
	}
	for _, r := range rules {
		var last *unstructured.Unstructured
		if r.ready == nil {
			err = r.wait(ctx)
		} else if !r.ready(live).done { // often it is, for what was ready before
			seen, stop := c.narrate(ctx, func(state string) { p.Status(ctx, urn, state) })
			last, err = await(ctx, client, live.GetName(), r.ready, seen)
			stop()
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
	if err != nil {
		return unlessGone(err)
	}
	var last *unstructured.Unstructured
	err = follow(ctx, client, single(obj.GetName()), func(items map[string]*unstructured.Unstructured) bool {
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
