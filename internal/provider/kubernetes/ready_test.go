package kubernetes

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestReadyRules(t *testing.T) {
	conditions := func(kind, status string) tree {
		return tree{"conditions": []any{tree{"type": kind, "status": status, "reason": "R", "message": "M"}}}
	}
	tests := map[string]struct {
		obj          tree
		done, failed bool
	}{
		"job running":           {tree{"apiVersion": "batch/v1", "kind": "Job", "status": tree{"active": int64(1)}}, false, false},
		"job complete":          {tree{"apiVersion": "batch/v1", "kind": "Job", "status": conditions("Complete", "True")}, true, false},
		"job failed":            {tree{"apiVersion": "batch/v1", "kind": "Job", "status": conditions("Failed", "True")}, false, true},
		"pod pending":           {tree{"apiVersion": "v1", "kind": "Pod", "status": tree{"phase": "Pending"}}, false, false},
		"pod succeeded":         {tree{"apiVersion": "v1", "kind": "Pod", "status": tree{"phase": "Succeeded"}}, true, false},
		"claim pending":         {tree{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": tree{"phase": "Pending"}}, false, false},
		"claim bound":           {tree{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": tree{"phase": "Bound"}}, true, false},
		"claim lost":            {tree{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": tree{"phase": "Lost"}}, false, true},
		"cluster IP":            {tree{"apiVersion": "v1", "kind": "Service", "spec": tree{"type": "ClusterIP"}}, true, false},
		"load balancer":         {tree{"apiVersion": "v1", "kind": "Service", "spec": tree{"type": "LoadBalancer"}}, false, false},
		"load balancer address": {tree{"apiVersion": "v1", "kind": "Service", "spec": tree{"type": "LoadBalancer"}, "status": tree{"loadBalancer": tree{"ingress": []any{tree{"ip": "1.2.3.4"}}}}}, true, false},
		"opaque secret":         {tree{"apiVersion": "v1", "kind": "Secret", "type": "Opaque"}, true, false},
		"token missing":         {tree{"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token"}, false, false},
		"token issued":          {tree{"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token", "data": tree{"token": "dA=="}}, true, false},
		"definition accepted":   {tree{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "status": conditions("Established", "True")}, true, false},
		"definition new":        {tree{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}, false, false},
		"quota unseen":          {tree{"apiVersion": "v1", "kind": "ResourceQuota", "spec": tree{"hard": tree{"pods": "1"}}}, false, false},
		"quota":                 {tree{"apiVersion": "v1", "kind": "ResourceQuota", "spec": tree{"hard": tree{"pods": "1"}}, "status": tree{"hard": tree{"pods": "1"}}}, true, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			obj := &unstructured.Unstructured{Object: test.obj}
			got := readyRules[obj.GroupVersionKind().GroupKind()](obj)
			if got.done != test.done || got.failed != test.failed {
				t.Errorf("got %+v", got)
			}
			if !got.done && got.state == "" {
				t.Error("no words for what is missing")
			}
		})
	}
}

func TestWaitFor(t *testing.T) {
	obj := &unstructured.Unstructured{Object: tree{"status": tree{
		"phase": "Running", "conditions": []any{tree{"type": "Ready", "status": "True"}, tree{"type": "Stale", "status": "False"}},
	}}}
	tests := map[string]struct {
		expr string
		done bool
		bad  bool
	}{
		"condition":           {"condition=Ready", true, false},
		"condition, in case":  {"condition=Ready=true", true, false},
		"condition is false":  {"condition=Stale", false, false},
		"condition not there": {"condition=Other", false, false},
		"condition false":     {"condition=Stale=False", true, false},
		"path":                {"jsonpath={.status.phase}", true, false},
		"path and value":      {"jsonpath={.status.phase}=Running", true, false},
		"other value":         {"jsonpath={.status.phase}=Pending", false, false},
		"path not there":      {"jsonpath={.status.nothing}", false, false},
		"filter":              {`jsonpath={.status.conditions[?(@.type=="Ready")].status}=True`, true, false},
		"all of a list":       {`["condition=Ready","jsonpath={.status.phase}=Running"]`, true, false},
		"one of a list":       {`["condition=Ready","condition=Stale"]`, false, false},
		"no prefix":           {"Ready", false, true},
		"no braces":           {"jsonpath=.status", false, true},
		"bad path":            {"jsonpath={.status[}", false, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			rule, err := waitForRule(test.expr)
			if test.bad != (err != nil) {
				t.Fatalf("error %v", err)
			}
			if err == nil && rule(obj).done != test.done {
				t.Errorf("got %+v", rule(obj))
			}
		})
	}
}
