package kubernetes

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

// rule is one thing to wait for: a state of the object itself, or, where ready
// is nil, of something else.
type rule struct {
	ready func(*unstructured.Unstructured) readiness
	wait  func(context.Context) error
}

// readyRules are the kinds that are awaited, as in the official provider; the
// rest is ready when the API server has taken it.
var readyRules = map[schema.GroupKind]func(*unstructured.Unstructured) readiness{
	groupKind("apps", "DaemonSet"):                                kstatusReady,
	groupKind("apps", "Deployment"):                               kstatusReady,
	groupKind("apps", "ReplicaSet"):                               kstatusReady,
	groupKind("apps", "StatefulSet"):                              kstatusReady,
	groupKind("apiextensions.k8s.io", "CustomResourceDefinition"): kstatusReady,
	groupKind("batch", "Job"):                                     jobReady,
	groupKind("networking.k8s.io", "Ingress"):                     loadBalancerReady,
	groupKind("", "PersistentVolume"):                             phaseReady("Available", "Bound"),
	groupKind("", "PersistentVolumeClaim"):                        phaseReady("Bound"),
	groupKind("", "Pod"):                                          podReady,
	groupKind("", "ReplicationController"):                        kstatusReady,
	groupKind("", "ResourceQuota"):                                quotaReady,
	groupKind("", "Secret"):                                       tokenReady,
	groupKind("", "Service"):                                      serviceReady,
}

// rulesFor returns what to wait for after an apply.
func (c *cluster) rulesFor(ctx context.Context, inputs, live *unstructured.Unstructured) ([]rule, error) {
	if custom := annotation(inputs, annWaitFor); custom != "" {
		ready, err := waitForRule(custom)
		if err != nil {
			return nil, err
		}
		return []rule{{ready: ready}}, nil
	}
	kind := live.GroupVersionKind().GroupKind()
	ready := readyRules[kind]
	if ready == nil || kind == groupKind("", "PersistentVolumeClaim") && c.bindsLater(ctx, live) {
		return nil, nil
	}
	rules := []rule{{ready: ready}}
	if kind == groupKind("", "Service") && needsEndpoints(live) {
		rules = append(rules, rule{wait: func(ctx context.Context) error {
			return c.awaitEndpoints(ctx, live.GetNamespace(), live.GetName())
		}})
	}
	return rules, nil
}

func kstatusReady(obj *unstructured.Unstructured) readiness {
	res, err := status.Compute(obj)
	if err != nil {
		return readiness{state: err.Error()}
	}
	return readiness{
		done:   res.Status == status.CurrentStatus,
		failed: res.Status == status.FailedStatus,
		state:  fmt.Sprintf("%s: %s", res.Status, res.Message),
	}
}

// podReady never fails: a pod that cannot be scheduled now may be when its node
// gets ready, and a crashing container when what it needs is there.
func podReady(obj *unstructured.Unstructured) readiness {
	r := kstatusReady(obj)
	phase, _, _ := unstructured.NestedString(obj.Object, "status", "phase")
	if phase == "Succeeded" {
		return readiness{done: true}
	}
	r.failed = phase == "Failed" && !r.done
	return r
}

// jobReady waits for the end of a Job, where kstatus is content with its start.
func jobReady(obj *unstructured.Unstructured) readiness {
	if c := condition(obj, "Complete"); c["status"] == "True" {
		return readiness{done: true}
	}
	if c := condition(obj, "Failed"); c["status"] == "True" {
		return readiness{failed: true, state: fmt.Sprintf("the Job failed: %v: %v", c["reason"], c["message"])}
	}
	succeeded, _, _ := unstructured.NestedInt64(obj.Object, "status", "succeeded")
	active, _, _ := unstructured.NestedInt64(obj.Object, "status", "active")
	return readiness{state: fmt.Sprintf("the Job has %d active and %d succeeded pods", active, succeeded)}
}

func phaseReady(phases ...string) func(*unstructured.Unstructured) readiness {
	return func(obj *unstructured.Unstructured) readiness {
		phase, _, _ := unstructured.NestedString(obj.Object, "status", "phase")
		if slices.Contains(phases, phase) {
			return readiness{done: true}
		}
		return readiness{failed: phase == "Failed" || phase == "Lost", state: fmt.Sprintf("its phase is %q, not %s", phase, strings.Join(phases, " or "))}
	}
}

func quotaReady(obj *unstructured.Unstructured) readiness {
	want, now := mapAt(obj.Object, "spec", "hard"), mapAt(obj.Object, "status", "hard")
	return readiness{done: len(want) == 0 || reflect.DeepEqual(want, now), state: "its status does not show the quota yet"}
}

// tokenReady waits for the token of a service account's token Secret.
func tokenReady(obj *unstructured.Unstructured) readiness {
	if obj.Object["type"] != "kubernetes.io/service-account-token" {
		return readiness{done: true}
	}
	return readiness{done: !isEmpty(mapAt(obj.Object, "data")["token"]), state: "its token has not been issued"}
}

func serviceReady(obj *unstructured.Unstructured) readiness {
	if kind, _, _ := unstructured.NestedString(obj.Object, "spec", "type"); kind != "LoadBalancer" {
		return readiness{done: true}
	}
	return loadBalancerReady(obj)
}

func loadBalancerReady(obj *unstructured.Unstructured) readiness {
	ingress, _, _ := unstructured.NestedSlice(obj.Object, "status", "loadBalancer", "ingress")
	return readiness{done: len(ingress) > 0, state: "it has no load-balancer address"}
}

// needsEndpoints says whether a Service is to have endpoints: not one without a
// selector, nor one that is a name for something outside.
func needsEndpoints(obj *unstructured.Unstructured) bool {
	kind, _, _ := unstructured.NestedString(obj.Object, "spec", "type")
	return kind != "ExternalName" && len(mapAt(obj.Object, "spec", "selector")) > 0
}

// awaitEndpoints waits until a Service has a ready endpoint.
func (c *cluster) awaitEndpoints(ctx context.Context, namespace, name string) error {
	slices := c.dynamic.Resource(schema.GroupVersionResource{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"}).Namespace(namespace)
	state := ""
	err := follow(ctx, slices, metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=" + name},
		func(items map[string]*unstructured.Unstructured) bool {
			total := 0
			for _, slice := range items {
				endpoints, _, _ := unstructured.NestedSlice(slice.Object, "endpoints")
				total += len(endpoints)
				for _, e := range endpoints {
					m, _ := e.(map[string]any)
					if ready, set := mapAt(m, "conditions")["ready"].(bool); ready || !set {
						return true
					}
				}
			}
			state = "Service does not target any Pods. Selected Pods may not be ready, or field '.spec.selector' may not match labels on any Pods"
			if total > 0 {
				state = fmt.Sprintf("none of the %d Pods that the Service targets is ready", total)
			}
			return false
		})
	if err != nil {
		return &waitError{state: state, cause: err}
	}
	return nil
}

// bindsLater says whether a claim waits for its first consumer.
func (c *cluster) bindsLater(ctx context.Context, claim *unstructured.Unstructured) bool {
	name, _, _ := unstructured.NestedString(claim.Object, "spec", "storageClassName")
	if name == "" {
		return false
	}
	class, err := c.dynamic.Resource(schema.GroupVersionResource{Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"}).Get(ctx, name, metav1.GetOptions{})
	return err == nil && class.Object["volumeBindingMode"] == "WaitForFirstConsumer"
}

// condition returns the object's condition of a type, or nil.
func condition(obj *unstructured.Unstructured, kind string) map[string]any {
	list, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
	for _, c := range list {
		if m, ok := c.(map[string]any); ok && m["type"] == kind {
			return m
		}
	}
	return nil
}
