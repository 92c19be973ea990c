package steps

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/sig"

	"github.com/meshwright/meshwright/automation/changes"
)

// blinded is a secret as the engine's events have it.
var blinded = map[string]any{sig.Key: sig.Secret, "ciphertext": "[secret]"}

func step(op apitype.OpType, typ, name string, old, now map[string]any, diffs map[string]apitype.PropertyDiff) apitype.StepEventMetadata {
	m := apitype.StepEventMetadata{Op: op, URN: "urn:pulumi:dev::meshwright::" + typ + "::" + name, Type: typ, DetailedDiff: diffs}
	if old != nil {
		m.Old = &apitype.StepEventStateMetadata{Inputs: old, Outputs: old}
	}
	if now != nil {
		m.New = &apitype.StepEventStateMetadata{Inputs: now}
	}
	return m
}

func updated(paths ...string) map[string]apitype.PropertyDiff {
	diffs := map[string]apitype.PropertyDiff{}
	for _, path := range paths {
		diffs[path] = apitype.PropertyDiff{Kind: apitype.DiffUpdate}
	}
	return diffs
}

func TestPropertiesOfSteps(t *testing.T) {
	var secrets changes.Secrets
	secrets.Add("hunter22")
	const configMap = "kubernetes:core/v1:ConfigMap"
	for name, tc := range map[string]struct {
		step apitype.StepEventMetadata
		want []changes.Property
	}{
		"changed": {
			step(apitype.OpUpdate, configMap, "x", map[string]any{"data": map[string]any{"a.b": "1"}}, map[string]any{"data": map[string]any{"a.b": "2"}}, updated(`data["a.b"]`)),
			[]changes.Property{{Path: `data["a.b"]`, Old: "1", New: "2"}},
		},
		"in a list": {
			step(apitype.OpUpdate, configMap, "x", map[string]any{"l": []any{"a", "b"}}, map[string]any{"l": []any{"a", "c", "d"}}, map[string]apitype.PropertyDiff{
				"l[1]": {Kind: apitype.DiffUpdate}, "l[2]": {Kind: apitype.DiffAdd},
			}),
			[]changes.Property{{Path: "l[1]", Old: "b", New: "c"}, {Path: "l[2]", New: "d"}},
		},
		"secret": {
			step(apitype.OpUpdate, configMap, "x", map[string]any{"p": blinded}, map[string]any{"p": blinded}, updated("p")),
			[]changes.Property{{Path: "p", Old: changes.Secret, New: changes.Secret}},
		},
		"below a secret, whose keys are not named": {
			step(apitype.OpUpdate, configMap, "x", map[string]any{"p": blinded}, map[string]any{"p": blinded}, updated("p.password", "p.user")),
			[]changes.Property{{Path: "p", Old: changes.Secret, New: changes.Secret}},
		},
		"becomes secret": {
			step(apitype.OpUpdate, configMap, "x", map[string]any{"p": "plain"}, map[string]any{"p": blinded}, updated("p")),
			[]changes.Property{{Path: "p", Old: changes.Secret, New: changes.Secret}},
		},
		"is no secret any more": {
			step(apitype.OpUpdate, configMap, "x", map[string]any{"p": blinded}, map[string]any{"p": "plain"}, updated("p")),
			[]changes.Property{{Path: "p", Old: changes.Secret, New: changes.Secret}},
		},
		"a secret inside strings, keys and base64": {
			step(apitype.OpCreate, configMap, "x", nil, map[string]any{
				"url": "https://user:hunter22@host", "k": map[string]any{"hunter22": "v"}, "e": base64.StdEncoding.EncodeToString([]byte("x=hunter22")),
			}, nil),
			[]changes.Property{{Path: "e", New: changes.Secret}, {Path: "k.[secret]", New: "v"}, {Path: "url", New: "https://user:[secret]@host"}},
		},
		"the data of a Kubernetes Secret that nobody marked": {
			step(apitype.OpCreate, "kubernetes:core/v1:Secret", "x", nil, map[string]any{"stringData": map[string]any{"a": "plain-pass"}, "metadata": map[string]any{"note": "plain-pass"}}, nil),
			[]changes.Property{{Path: "metadata.note", New: changes.Secret}, {Path: "stringData", New: changes.Secret}},
		},
		"unknown": {
			step(apitype.OpUpdate, configMap, "x", map[string]any{"p": "1"}, map[string]any{"p": plugin.UnknownStringValue}, updated("p")),
			[]changes.Property{{Path: "p", Old: "1", New: changes.Unknown}},
		},
		"removed says nothing of what it held": {
			step(apitype.OpDelete, configMap, "x", map[string]any{"p": "1"}, nil, nil), nil,
		},
		"bookkeeping": {
			step(apitype.OpCreate, configMap, "x", nil, map[string]any{"__inputs": "1", "n": 1.0, "empty": map[string]any{}, "none": nil}, nil),
			[]changes.Property{{Path: "empty", New: map[string]any{}}, {Path: "n", New: 1.0}},
		},
		"a file and a reference": {
			step(apitype.OpCreate, configMap, "x", nil, map[string]any{
				"f": map[string]any{sig.Key: sig.AssetSig, "hash": "abc", "text": "content"}, "r": map[string]any{sig.Key: sig.ResourceReference, "urn": "urn:x"},
			}, nil),
			[]changes.Property{{Path: "f", New: "file abc"}, {Path: "r", New: "urn:x"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Describe("dev", []apitype.StepEventMetadata{tc.step}, &secrets)
			if diff := cmp.Diff(tc.want, got.Clusters[0].Resources[0].Properties); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestStepsGoToTheirClusters(t *testing.T) {
	provider := func(m apitype.StepEventMetadata, name string) apitype.StepEventMetadata {
		m.Provider = "urn:pulumi:dev::meshwright::meshwright:cluster:Cluster$pulumi:providers:kubernetes::" + name + "::some-id"
		return m
	}
	something := map[string]any{"a": "b"}
	create := func(typ, name string) apitype.StepEventMetadata {
		return step(apitype.OpCreate, typ, name, nil, something, nil)
	}
	all := []apitype.StepEventMetadata{
		create("pulumi:pulumi:Stack", "meshwright-dev"),
		create(kindCluster, "a-kind"), create(kubernetesProvider, "a-kubernetes"),
		create(kindCluster, "a-b-kind"), create(kubernetesProvider, "a-b-kubernetes"),
		provider(create("kubernetes:core/v1:Namespace", "odd-name"), "a-b-kubernetes"),
		create("tls:index/privateKey:PrivateKey", "a-b-ca-key"), create("tls:index/privateKey:PrivateKey", "a-ca-key"),
		create("meshwright:cluster:Cluster", "a"),
		step(apitype.OpCreateReplacement, "x:y:Z", "a-part", nil, something, nil), // a part of a replacement
		step(apitype.OpSame, "x:y:Z", "a-same", something, something, nil),
		create(kindCluster, "a-kind"), // the same step again
	}
	got := Describe("dev", all, nil)
	where := map[string]string{}
	for _, c := range got.Clusters {
		for _, r := range c.Resources {
			where[r.Name] = c.Name + "/" + c.What
		}
	}
	want := map[string]string{
		"meshwright-dev": "/", "a-kind": "a/create", "a-kubernetes": "a/create", "a-b-kind": "a-b/create", "a-b-kubernetes": "a-b/create",
		"odd-name": "a-b/create", "a-b-ca-key": "a-b/create", "a-ca-key": "a/create", "a": "a/create",
	}
	if diff := cmp.Diff(want, where); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(changes.Counts{Added: 9, Same: 1}, got.Counts); diff != "" {
		t.Error(diff)
	}
}

func TestReplacementSaysWhy(t *testing.T) {
	m := step(apitype.OpReplace, kindCluster, "a-kind", map[string]any{"podSubnet": "1", "wait": 1.0}, map[string]any{"podSubnet": "2", "wait": 2.0},
		map[string]apitype.PropertyDiff{"podSubnet": {Kind: apitype.DiffUpdateReplace}, "wait": {Kind: apitype.DiffUpdate}})
	follows := step(apitype.OpReplace, "x:y:Z", "a-x", map[string]any{}, map[string]any{}, nil)
	got := Describe("dev", []apitype.StepEventMetadata{m, follows}, nil)
	c := got.Clusters[0]
	if c.What != changes.Replaced || strings.Join(c.Resources[0].Because, ",") != "podSubnet" || len(c.Resources[1].Because) != 0 {
		t.Errorf("got %+v", c)
	}
}
