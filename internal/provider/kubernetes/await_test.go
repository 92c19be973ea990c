package kubernetes

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestNotReady(t *testing.T) {
	e, ns := start(t, nil)
	in := deploymentTree(ns, "web", "nowhere/web:1")
	in["metadata"].(tree)["annotations"] = tree{"pulumi.com/timeoutSeconds": "1"}
	pod := &unstructured.Unstructured{Object: tree{
		"apiVersion": "v1", "kind": "Pod", "metadata": tree{"name": "web-1", "namespace": ns, "labels": tree{"app": "web"}},
		"spec": tree{"containers": []any{tree{"name": "main", "image": "nowhere/web:1"}}},
	}}
	if _, err := e.live.Resource(pods).Namespace(ns).Create(context.Background(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	e.edit(pods, ns, "web-1", `{"status":{"phase":"Pending","containerStatuses":[{"name":"main","image":"x","imageID":"","ready":false,"restartCount":0,`+
		`"state":{"waiting":{"reason":"ImagePullBackOff","message":"Back-off pulling image"}}}]}}`, "status")

	op, err := e.up(deploymentType, "web", props(in))
	if op != "create" {
		t.Fatalf("operation %s", op)
	}
	wantError(t, err, "was successfully created", "failed to fully initialize", "timed out",
		`Deployment "`+ns+`/web" is not ready`, "Pod web-1, container main: waiting: ImagePullBackOff: Back-off pulling image")
	kept := e.state["web"]
	if kept == nil || string(kept.id) != ns+"/web" || isEmpty(mapAt(toTree(kept.state), "metadata")["uid"]) {
		t.Fatalf("what failed to initialise is not in the state: %+v", kept)
	}

	// Nothing changed, but the engine updates what has failed; now it gets ready.
	e.makeReady(ns)
	e.mustUp("update", deploymentType, "web", in)
	e.mustUp("same", deploymentType, "web", in)

	// A refresh sees it unready again.
	e.edit(deployments, ns, "web", `{"status":{"availableReplicas":0,"readyReplicas":0}}`, "status")
	e.refresh("web")
	if len(e.state["web"].initErrors) == 0 {
		t.Error("refresh does not report an unready Deployment")
	}
}

func TestServiceAwait(t *testing.T) {
	e, ns := start(t, nil)
	service := func(name, kind string, selector tree) tree {
		spec := tree{"type": kind, "ports": []any{tree{"port": int64(80)}}}
		if selector != nil {
			spec["selector"] = selector
		}
		return tree{"apiVersion": "v1", "kind": "Service", "metadata": tree{"name": name, "namespace": ns, "annotations": tree{"pulumi.com/timeoutSeconds": "2"}}, "spec": spec}
	}
	e.mustUp("create", serviceType, "no-selector", service("no-selector", "ClusterIP", nil))

	_, err := e.up(serviceType, "empty", props(service("empty", "ClusterIP", tree{"app": "none"})))
	wantError(t, err, "Service does not target any Pods")
	_, err = e.up(serviceType, "lb", props(service("lb", "LoadBalancer", nil)))
	wantError(t, err, "no load-balancer address", "timed out")

	slice := &unstructured.Unstructured{Object: tree{
		"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
		"metadata":  tree{"name": "both-1", "namespace": ns, "labels": tree{"kubernetes.io/service-name": "both"}},
		"endpoints": []any{tree{"addresses": []any{"10.1.2.3"}, "conditions": tree{"ready": true}}},
	}}
	go func() {
		for e.get(services, ns, "both") == nil {
			time.Sleep(20 * time.Millisecond)
		}
		e.edit(services, ns, "both", `{"status":{"loadBalancer":{"ingress":[{"ip":"10.9.9.9"}]}}}`, "status")
		_, _ = e.live.Resource(endpointSlices).Namespace(ns).Create(context.Background(), slice, metav1.CreateOptions{})
	}()
	both := e.mustUp("create", serviceType, "both", service("both", "LoadBalancer", tree{"app": "both"}))
	ingress, _, _ := unstructured.NestedSlice(toTree(both.state), "status", "loadBalancer", "ingress")
	if len(ingress) != 1 {
		t.Errorf("the state's load-balancer addresses are %v", ingress)
	}
}

func TestTokenSecret(t *testing.T) {
	e, ns := start(t, nil)
	go func() { // the token controller's part
		for e.get(secrets, ns, "reader") == nil {
			time.Sleep(20 * time.Millisecond)
		}
		e.edit(secrets, ns, "reader", `{"data":{"token":"dG9rZW4=","ca.crt":"Y2E="}}`)
	}()
	made := e.mustUp("create", secretType, "reader", tree{
		"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
		"metadata": tree{"name": "reader", "namespace": ns, "annotations": tree{"kubernetes.io/service-account.name": "reader"}},
	})
	if !made.state["data"].IsSecret() {
		t.Error("the token is not secret")
	}
	if got := mapAt(toTree(made.state), "data")["token"]; got != "dG9rZW4=" {
		t.Errorf("token %v", got)
	}
	e.refresh("reader")
	e.mustUp("same", secretType, "reader", tree{
		"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
		"metadata": tree{"name": "reader", "namespace": ns, "annotations": tree{"kubernetes.io/service-account.name": "reader"}},
	})
}

func TestCancellation(t *testing.T) {
	e, ns := start(t, nil)
	in := props(deploymentTree(ns, "web", "web:1"))
	go func() {
		for e.get(deployments, ns, "web") == nil {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(200 * time.Millisecond) // until the provider has the answer and waits
		_ = e.p.SignalCancellation(context.Background())
	}()
	start := time.Now()
	_, err := e.up(deploymentType, "web", in)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("cancelled after %s", took)
	}
	wantError(t, err, "cancelled", "is not ready")
	if e.state["web"] == nil {
		t.Error("the created object is not in the state")
	}
}
