package kubernetes

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

func TestSecrets(t *testing.T) {
	e, ns := start(t, map[string]any{"enableSecretMutable": true})
	in := props(tree{"apiVersion": "v1", "kind": "Secret", "metadata": tree{"name": "s", "namespace": ns}, "stringData": tree{"password": "hunter2"}})
	if _, err := e.up(secretType, "s", in); err != nil {
		t.Fatal(err)
	}
	if op, err := e.up(secretType, "s", in); op != "same" || err != nil {
		t.Errorf("operation %s, error %v, diff %+v", op, err, e.state["s"].lastDiff)
	}
	leaks := func(when string) {
		t.Helper()
		for name, m := range map[string]resource.PropertyMap{"inputs": e.state["s"].inputs, "state": e.state["s"].state} {
			open := withoutSecrets(resource.NewProperty(m)).String()
			if strings.Contains(open, "hunter2") || strings.Contains(open, "aHVudGVyMg==") {
				t.Errorf("%s: the secret is readable in the %s: %s", when, name, open)
			}
		}
	}
	leaks("after the create")
	e.edit(secrets, ns, "s", `{"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"hunter2"}}}`)
	e.refresh("s")
	leaks("after the refresh")
	if op, err := e.up(secretType, "s", in); op != "same" || err != nil {
		t.Errorf("after the refresh: operation %s, error %v, diff %+v", op, err, e.state["s"].lastDiff)
	}
	rotated := props(tree{"apiVersion": "v1", "kind": "Secret", "metadata": tree{"name": "s", "namespace": ns}, "stringData": tree{"other": "hunter2"}})
	if op, err := e.up(secretType, "s", rotated); op != "update" || err != nil {
		t.Errorf("operation %s, error %v", op, err)
	}
	if d := cmp.Diff(tree{"other": "aHVudGVyMg=="}, mapAt(e.get(secrets, ns, "s").Object, "data")); d != "" {
		t.Errorf("live data (-want +got):\n%s", d)
	}
	leaks("after the update")

	// A secret value anywhere else stays secret where it is.
	cm := props(configMapTree(ns, "cm", tree{"open": "x"}))
	cm["data"].ObjectValue()["closed"] = resource.MakeSecret(resource.NewProperty("hunter2"))
	if _, err := e.up(configMapType, "cm", cm); err != nil {
		t.Fatal(err)
	}
	data := e.state["cm"].state["data"].ObjectValue()
	if !data["closed"].IsSecret() || data["open"].IsSecret() {
		t.Errorf("secretness of the live data: %v", data)
	}
}

// withoutSecrets is what can be read of a value without decrypting.
func withoutSecrets(v resource.PropertyValue) resource.PropertyValue {
	switch {
	case v.IsSecret():
		return resource.NewProperty("[secret]")
	case v.IsObject():
		out := resource.PropertyMap{}
		for k, e := range v.ObjectValue() {
			out[k] = withoutSecrets(e)
		}
		return resource.NewProperty(out)
	case v.IsArray():
		var out []resource.PropertyValue
		for _, e := range v.ArrayValue() {
			out = append(out, withoutSecrets(e))
		}
		return resource.NewProperty(out)
	}
	return v
}
