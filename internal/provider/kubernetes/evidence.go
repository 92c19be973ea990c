package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// maxDetails bounds the lines of evidence in one error.
const maxDetails = 8

// evidence says why an object is not ready, as far as the cluster tells: its
// false conditions, what its pods wait for, and the last warnings about it. It
// takes a time of its own, since it is gathered after a wait has run out.
func (c *cluster) evidence(obj *unstructured.Unstructured) []string {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	details := conditionDetails(obj)
	pods := c.podDetails(ctx, obj)
	details = append(details, pods...)
	if len(pods) == 0 {
		details = append(details, c.warnings(ctx, obj)...)
	}
	if len(details) > maxDetails {
		details = append(details[:maxDetails], fmt.Sprintf("and %d more", len(details)-maxDetails))
	}
	return details
}

// narrateEvery is how often a wait is looked at whose object does not change, such as
// that of a Deployment whose pod cannot start.
const narrateEvery = 5 * time.Second

// narrate tells say the state of a wait: at every change, and from time to time with the
// first thing that its pods or its events say. stop ends it.
func (c *cluster) narrate(ctx context.Context, say func(string)) (seen func(*unstructured.Unstructured, readiness), stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var mu sync.Mutex
	var obj *unstructured.Unstructured
	var state string
	var ended sync.WaitGroup
	ended.Go(func() {
		tick := time.NewTicker(narrateEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			mu.Lock()
			o, text := obj, state
			mu.Unlock()
			if o == nil {
				continue
			}
			if details := c.evidence(o); len(details) > 0 && ctx.Err() == nil {
				say(text + "; " + details[0])
			}
		}
	})
	seen = func(o *unstructured.Unstructured, r readiness) {
		mu.Lock()
		obj, state = o, r.state
		mu.Unlock()
		if !r.done {
			say(r.state)
		}
	}
	return seen, func() { cancel(); ended.Wait() }
}

// conditionDetails lists the conditions that say that something is wrong.
func conditionDetails(obj *unstructured.Unstructured) []string {
	var out []string
	list, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
	for _, c := range list {
		m, _ := c.(map[string]any)
		kind, _ := m["type"].(string)
		if bad := kind == "ReplicaFailure" || kind == "Failed"; (m["status"] == "True") == bad && !isEmpty(m["message"]) {
			out = append(out, fmt.Sprintf("[%s] %v: %v", kind, m["reason"], m["message"]))
		}
	}
	return out
}

func (c *cluster) podDetails(ctx context.Context, obj *unstructured.Unstructured) []string {
	labels := mapAt(obj.Object, "spec", "selector", "matchLabels")
	if obj.GetKind() == "Service" || obj.GetKind() == "ReplicationController" {
		labels = mapAt(obj.Object, "spec", "selector")
	}
	resource := c.dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).Namespace(obj.GetNamespace())
	var pods []unstructured.Unstructured
	switch {
	case obj.GetKind() == "Pod":
		pods = []unstructured.Unstructured{*obj}
	case len(labels) > 0:
		set := map[string]string{}
		for k, v := range labels {
			set[k], _ = v.(string)
		}
		list, err := resource.List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: set})})
		if err != nil {
			return nil
		}
		pods = list.Items
	}
	var out []string
	for i := range pods {
		var pod corev1.Pod
		if runtime.DefaultUnstructuredConverter.FromUnstructured(pods[i].Object, &pod) == nil {
			out = append(out, podProblems(&pod)...)
		}
	}
	slices.Sort(out)
	return out
}

// podProblems says what keeps a pod from being ready.
func podProblems(pod *corev1.Pod) []string {
	name := "Pod " + pod.Name
	var out []string
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			out = append(out, fmt.Sprintf("%s: %s: %s", name, c.Reason, c.Message))
		}
	}
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		who := fmt.Sprintf("%s, container %s", name, s.Name)
		switch {
		case s.State.Waiting != nil && s.State.Waiting.Reason != "PodInitializing":
			line := fmt.Sprintf("%s: waiting: %s: %s", who, s.State.Waiting.Reason, s.State.Waiting.Message)
			if t := s.LastTerminationState.Terminated; t != nil {
				line += fmt.Sprintf(" (last exit code %d, %s, %d restarts)", t.ExitCode, t.Reason, s.RestartCount)
			}
			out = append(out, line)
		case s.State.Terminated != nil && s.State.Terminated.ExitCode != 0:
			out = append(out, fmt.Sprintf("%s: exited with %d: %s %s", who, s.State.Terminated.ExitCode, s.State.Terminated.Reason, s.State.Terminated.Message))
		case s.State.Running != nil && !s.Ready:
			out = append(out, who+": running but not ready")
		}
	}
	if len(out) == 0 && pod.Status.Phase == corev1.PodPending {
		out = append(out, name+": Pending")
	}
	return out
}

// warnings returns the latest warnings about the object.
func (c *cluster) warnings(ctx context.Context, obj *unstructured.Unstructured) []string {
	events := c.dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "events"}).Namespace(obj.GetNamespace())
	list, err := events.List(ctx, metav1.ListOptions{FieldSelector: fields.Set{
		"involvedObject.name": obj.GetName(), "involvedObject.kind": obj.GetKind(), "type": "Warning",
	}.String()})
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range list.Items {
		out = append(out, fmt.Sprintf("%v: %v", e.Object["reason"], e.Object["message"]))
	}
	if len(out) > 3 {
		out = out[len(out)-3:]
	}
	return out
}
