package kubernetes

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

func TestReplace(t *testing.T) {
	t.Parallel()
	server := apiServer(t)
	t.Run("immutable by the provider's table", func(t *testing.T) {
		t.Parallel()
		e := newEngine(t, server, nil)
		ns := e.namespace()
		e.mustUp("create", configMapType, "cm", configMapTree(ns, "cm", tree{"a": "1"}))
		uid := e.get(configMaps, ns, "cm").GetUID()
		e.mustUp("delete-replace", configMapType, "cm", configMapTree(ns, "cm", tree{"a": "2"}))
		if e.get(configMaps, ns, "cm").GetUID() == uid {
			t.Error("the object was not replaced")
		}
	})
	t.Run("immutable by the API server's dry run", func(t *testing.T) {
		t.Parallel()
		e := newEngine(t, server, map[string]any{"enableConfigMapMutable": true})
		ns := e.namespace()
		service := func(ip string) tree {
			return tree{
				"apiVersion": "v1", "kind": "Service", "metadata": tree{"name": "s", "namespace": ns},
				"spec": tree{"clusterIPs": []any{ip}, "clusterIP": ip, "ports": []any{tree{"port": int64(80)}}},
			}
		}
		e.mustUp("create", serviceType, "s", service("None"))
		// PersistentVolume's claim mode is in no table here: the API server says so.
		pv := func(mode string) tree {
			return tree{
				"apiVersion": "v1", "kind": "PersistentVolume",
				"metadata": tree{"name": "pv-" + ns, "annotations": tree{"pulumi.com/skipAwait": "true"}},
				"spec": tree{
					"capacity": tree{"storage": "1Gi"}, "accessModes": []any{"ReadWriteOnce"}, "volumeMode": mode,
					"hostPath": tree{"path": "/tmp/x"}, "persistentVolumeReclaimPolicy": "Retain",
				},
			}
		}
		const pvType = "kubernetes:core/v1:PersistentVolume"
		e.mustUp("create", pvType, "pv", pv("Filesystem"))
		defer func() { // no controller takes its finalizer away
			e.edit(schemaOf("persistentvolumes"), "", "pv-"+ns, `{"metadata":{"finalizers":null}}`)
		}()
		checked := e.check(pvType, "pv", props(pv("Block")), e.state["pv"].inputs)
		diff, err := e.p.Diff(context.Background(), plugin.DiffRequest{
			URN: e.urn(pvType, "pv"), Type: pvType, ID: e.state["pv"].id, OldInputs: e.state["pv"].inputs, OldOutputs: e.state["pv"].state, NewInputs: checked,
		})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(map[string]string{"spec.volumeMode": "update-replace"}, kinds(diff)); d != "" || !diff.DeleteBeforeReplace {
			t.Errorf("delete before replace %v, diff (-want +got):\n%s", diff.DeleteBeforeReplace, d)
		}
	})
	t.Run("autonamed is created before it is deleted", func(t *testing.T) {
		t.Parallel()
		e := newEngine(t, server, nil)
		ns := e.namespace()
		in := configMapTree(ns, "", tree{"a": "1"})
		delete(in["metadata"].(tree), "name")
		first := e.mustUp("create", configMapType, "auto", in)
		_, name := parseID(string(first.id))
		if !strings.HasPrefix(name, "auto-") || len(name) != len("auto-")+8 {
			t.Errorf("autonamed %q", name)
		}
		if annotation(e.get(configMaps, ns, name), annAutonamed) != "true" {
			t.Error("no annotation pulumi.com/autonamed")
		}
		e.mustUp("same", configMapType, "auto", in)
		in["data"] = tree{"a": "2"}
		checked := e.check(configMapType, "auto", props(in), e.state["auto"].inputs)
		diff, err := e.p.Diff(context.Background(), plugin.DiffRequest{
			URN: e.urn(configMapType, "auto"), Type: configMapType, ID: first.id, OldInputs: first.inputs, OldOutputs: first.state, NewInputs: checked,
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(diff.ReplaceKeys) == 0 || diff.DeleteBeforeReplace {
			t.Errorf("diff %+v", diff)
		}
	})
	t.Run("renamed", func(t *testing.T) {
		t.Parallel()
		e := newEngine(t, server, nil)
		ns := e.namespace()
		e.mustUp("create", configMapType, "cm", configMapTree(ns, "one", tree{"a": "1"}))
		e.mustUp("replace", configMapType, "cm", configMapTree(ns, "two", tree{"a": "1"}))
		if e.get(configMaps, ns, "one") != nil || e.get(configMaps, ns, "two") == nil {
			t.Error("the rename did not replace the object")
		}
	})
}
