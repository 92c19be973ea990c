package kubernetes

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"
)

func TestNormalize(t *testing.T) {
	pod := func(spec tree) tree {
		return tree{"apiVersion": "v1", "kind": "Pod", "metadata": tree{"name": "p"}, "spec": spec}
	}
	tests := map[string]struct{ in, want tree }{
		"quantities": {
			pod(tree{"containers": []any{tree{"name": "c", "resources": tree{"limits": tree{"cpu": "1000m", "memory": "1024Mi"}}}}}),
			pod(tree{"containers": []any{tree{"name": "c", "resources": tree{"limits": tree{"cpu": "1", "memory": "1Gi"}}}}}),
		},
		"empty optional fields": {
			pod(tree{"hostNetwork": false, "nodeSelector": tree{}, "containers": []any{tree{"name": "c", "args": []any{}}}, "volumes": []any{tree{"name": "v", "emptyDir": tree{}}}}),
			pod(tree{"containers": []any{tree{"name": "c"}}, "volumes": []any{tree{"name": "v", "emptyDir": tree{}}}}),
		},
		"zero that counts": {
			tree{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": tree{"name": "d"}, "spec": tree{"replicas": int64(0)}},
			tree{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": tree{"name": "d"}, "spec": tree{"replicas": int64(0)}},
		},
		"fields that the type does not have are kept": {pod(tree{"containeers": []any{tree{"name": "c"}}}), pod(tree{"containeers": []any{tree{"name": "c"}}})},
		"a wrong type is left to the API server":      {pod(tree{"containers": "none"}), pod(tree{"containers": "none"})},
		"unknown values":                              {pod(tree{"nodeName": unknown, "hostNetwork": false}), pod(tree{"nodeName": unknown, "hostNetwork": false})},
		"custom resources": {
			tree{"apiVersion": "x.io/v1", "kind": "Y", "metadata": tree{"name": "y", "uid": "1"}, "spec": tree{"cpu": "1000m", "off": false}},
			tree{"apiVersion": "x.io/v1", "kind": "Y", "metadata": tree{"name": "y"}, "spec": tree{"cpu": "1000m", "off": false}},
		},
		"stringData": {
			tree{"apiVersion": "v1", "kind": "Secret", "metadata": tree{"name": "s"}, "data": tree{"a": "MQ==", "b": "Mg=="}, "stringData": tree{"b": "3"}},
			tree{"apiVersion": "v1", "kind": "Secret", "metadata": tree{"name": "s"}, "data": tree{"a": "MQ==", "b": "Mw=="}},
		},
		"unknown stringData": {
			tree{"apiVersion": "v1", "kind": "Secret", "metadata": tree{"name": "s"}, "stringData": tree{"b": unknown}},
			tree{"apiVersion": "v1", "kind": "Secret", "metadata": tree{"name": "s"}, "data": tree{"b": unknown}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := normalize(&unstructured.Unstructured{Object: test.in})
			if d := cmp.Diff(map[string]any(test.want), got.Object); d != "" {
				t.Errorf("normalized (-want +got):\n%s", d)
			}
		})
	}
}

func TestPrune(t *testing.T) {
	tests := map[string]struct{ live, shape, want any }{
		"fields of others":      {tree{"a": "1", "b": "2"}, tree{"a": "0"}, tree{"a": "1"}},
		"missing":               {tree{"b": "2"}, tree{"a": "0"}, tree{}},
		"null":                  {tree{"a": nil}, tree{"a": "0"}, tree{}},
		"items by name":         {[]any{tree{"name": "x", "v": "9"}, tree{"name": "a", "v": "1", "w": "2"}}, []any{tree{"name": "a", "v": "0"}}, []any{tree{"name": "a", "v": "1"}}},
		"items by position":     {[]any{"a", "b"}, []any{"c"}, []any{"a"}},
		"an item that was lost": {[]any{tree{"name": "b"}}, []any{tree{"name": "a"}, tree{"name": "b"}}, []any{tree{"name": "b"}}},
		"another type":          {"x", tree{"a": "0"}, "x"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(test.want, prune(test.live, test.shape)); d != "" {
				t.Errorf("pruned (-want +got):\n%s", d)
			}
		})
	}
}

func TestMarkSecrets(t *testing.T) {
	secret := func(s string) resource.PropertyValue { return resource.MakeSecret(resource.NewProperty(s)) }
	list := func(vs ...resource.PropertyValue) resource.PropertyValue { return resource.NewProperty(vs) }
	tests := map[string]struct{ v, from, want resource.PropertyValue }{
		"a value":                {resource.NewProperty("x"), secret("y"), secret("x")},
		"open":                   {resource.NewProperty("x"), resource.NewProperty("y"), resource.NewProperty("x")},
		"an element":             {list(resource.NewProperty("a"), resource.NewProperty("b")), list(resource.NewProperty("a"), secret("b")), list(resource.NewProperty("a"), secret("b"))},
		"lists of other lengths": {list(resource.NewProperty("b")), list(resource.NewProperty("a"), secret("b")), resource.MakeSecret(list(resource.NewProperty("b")))},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := markSecret(test.v, test.from); !got.DeepEquals(test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// A tree that goes through properties and back is the same, and differs from
// itself in nothing.
func TestTreeRoundTrip(t *testing.T) {
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		kinds := []*rapid.Generator[any]{
			rapid.Map(rapid.String(), func(s string) any { return s }), rapid.Map(rapid.Bool(), func(b bool) any { return b }),
			rapid.Map(rapid.Int32(), func(n int32) any { return int64(n) }), rapid.Just(any(unknown)),
		}
		if depth > 0 {
			kinds = append(kinds,
				rapid.Map(rapid.SliceOfN(value(depth-1), 0, 3), func(s []any) any { return s }),
				rapid.Map(rapid.MapOfN(rapid.StringMatching(`[a-z.]{1,8}|x-kubernetes-list-type`), value(depth-1), 0, 3), func(m map[string]any) any { return m }))
		}
		return rapid.OneOf(kinds...)
	}
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.MapOfN(rapid.StringMatching(`[a-z]{1,6}`), value(3), 0, 4).Draw(t, "tree")
		out := toTree(toProperties(in))
		if d := cmp.Diff(in, out); d != "" {
			t.Fatalf("round trip (-want +got):\n%s", d)
		}
		if changes := compare(nil, in, out); len(changes) > 0 && !hasUnknown(in) {
			t.Fatalf("differs from itself: %v", changes)
		}
	})
}

func TestCheckInputs(t *testing.T) {
	tests := map[string]struct {
		typ        string
		in, olds   tree
		autonaming *plugin.AutonamingOptions
		want       tree
		failure    string
	}{
		"kind from the token": {
			typ: "kubernetes:core/v1:ConfigMap", in: tree{"metadata": tree{"name": "x"}},
			want: tree{"apiVersion": "v1", "kind": "ConfigMap", "metadata": tree{"name": "x", "namespace": "default"}},
		},
		"kind of the whole cluster": {
			typ: "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole", in: tree{"metadata": tree{"name": "x"}},
			want: tree{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": tree{"name": "x"}},
		},
		"name proposed by the engine": {
			typ: "kubernetes:core/v1:Namespace", in: tree{}, autonaming: &plugin.AutonamingOptions{ProposedName: "given"},
			want: tree{"apiVersion": "v1", "kind": "Namespace", "metadata": tree{"name": "given", "annotations": tree{annAutonamed: "true"}}},
		},
		"names disabled": {typ: "kubernetes:core/v1:Namespace", in: tree{}, autonaming: &plugin.AutonamingOptions{Mode: plugin.AutonamingModeDisabled}, failure: "metadata.name"},
		"old autoname": {
			typ: "kubernetes:core/v1:Namespace", in: tree{}, olds: tree{"metadata": tree{"name": "old-1", "annotations": tree{annAutonamed: "true"}}},
			want: tree{"apiVersion": "v1", "kind": "Namespace", "metadata": tree{"name": "old-1", "annotations": tree{annAutonamed: "true"}}},
		},
		"unknown name": {
			typ: "kubernetes:core/v1:Namespace", in: tree{"metadata": tree{"name": unknown}},
			want: tree{"apiVersion": "v1", "kind": "Namespace", "metadata": tree{"name": unknown}},
		},
		"unknown metadata": {
			typ: "kubernetes:core/v1:ConfigMap", in: tree{"metadata": unknown},
			want: tree{"apiVersion": "v1", "kind": "ConfigMap", "metadata": unknown},
		},
		"generateName":         {typ: "kubernetes:core/v1:ConfigMap", in: tree{"metadata": tree{"generateName": "x-"}}, failure: "generateName is not supported"},
		"patch without a name": {typ: "kubernetes:core/v1:ConfigMapPatch", in: tree{}, failure: "needs the metadata.name"},
		"patch": {
			typ: "kubernetes:core/v1:NamespacePatch", in: tree{"metadata": tree{"name": "x"}},
			want: tree{"apiVersion": "v1", "kind": "Namespace", "metadata": tree{"name": "x"}},
		},
		"list": {typ: "kubernetes:core/v1:ConfigMapList", in: tree{"kind": "ConfigMapList", "items": []any{}}, failure: "lists cannot be created"},
		"dashed keys": {
			typ: "kubernetes:core/v1:Namespace", in: tree{"metadata": tree{"name": "x"}, "spec": tree{"x-kubernetes-list-type": "map"}},
			want: tree{"apiVersion": "v1", "kind": "Namespace", "metadata": tree{"name": "x"}, "spec": tree{"x-kubernetes-list-type": "map"}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newProvider(Options{})
			p.conf.namespace = "default"
			urn := resource.NewURN("dev", "test", "", tokenOf(test.typ), "res")
			var olds resource.PropertyMap
			if test.olds != nil {
				olds = props(test.olds)
			}
			res, err := p.Check(context.Background(), plugin.CheckRequest{URN: urn, Name: "res", Type: tokenOf(test.typ), News: props(test.in), Olds: olds, RandomSeed: []byte("s"), Autonaming: test.autonaming})
			if err != nil {
				t.Fatal(err)
			}
			if test.failure != "" {
				if len(res.Failures) != 1 {
					t.Fatalf("failures %v", res.Failures)
				}
				wantError(t, errorText(res.Failures[0].Reason), test.failure)
				return
			}
			if len(res.Failures) > 0 {
				t.Fatalf("failures %v", res.Failures)
			}
			if d := cmp.Diff(map[string]any(test.want), toTree(res.Properties)); d != "" {
				t.Errorf("inputs (-want +got):\n%s", d)
			}
		})
	}
	for _, typ := range []string{"kubernetes:yaml/v2:ConfigFile", "kubernetes:helm.sh/v4:Chart", "kubernetes:kustomize/v2:Directory"} {
		if _, err := gvkOf(tokenOf(typ)); err == nil {
			t.Errorf("%s is taken", typ)
		}
	}
}

type errorText string

func (e errorText) Error() string { return string(e) }
