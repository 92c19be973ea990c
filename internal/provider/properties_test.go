package provider

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

var str = resource.NewStringProperty

func TestDecode(t *testing.T) {
	type inner struct {
		A string `json:"a"`
	}
	type args struct {
		S    string            `json:"s"`
		N    int               `json:"n"`
		L    []inner           `json:"l"`
		M    map[string]string `json:"m"`
		Null *string           `json:"null"`
	}
	tests := map[string]struct {
		in      resource.PropertyMap
		want    args
		unknown []string
		err     string
	}{
		"all kinds": {
			in: resource.PropertyMap{
				"s": resource.MakeSecret(str("x")), "n": resource.NewNumberProperty(3), "null": resource.NewNullProperty(),
				"l":          resource.NewArrayProperty([]resource.PropertyValue{resource.NewObjectProperty(resource.PropertyMap{"a": resource.MakeSecret(str("y"))})}),
				"m":          resource.NewObjectProperty(resource.PropertyMap{"k": str("v")}),
				"__defaults": resource.NewArrayProperty(nil),
			},
			want: args{S: "x", N: 3, L: []inner{{"y"}}, M: map[string]string{"k": "v"}},
		},
		"unknowns": {
			in: resource.PropertyMap{
				"s": Unknown(),
				"m": resource.NewObjectProperty(resource.PropertyMap{"k": resource.MakeSecret(Unknown())}),
				"l": resource.NewArrayProperty([]resource.PropertyValue{resource.NewObjectProperty(resource.PropertyMap{"a": Unknown()})}),
			},
			want:    args{L: []inner{{}}, M: map[string]string{}},
			unknown: []string{"l[0].a", "m.k", "s"},
		},
		"an extra property": {in: resource.PropertyMap{"x": str("y")}, err: `unknown property "x"`},
		"a wrong type":      {in: resource.PropertyMap{"n": str("y")}, err: `property "n"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got args
			unknown, err := Decode(tt.in, &got)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("err = %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(tt.unknown, unknown); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestDiff(t *testing.T) {
	old := resource.PropertyMap{
		"a": str("1"), "b": resource.MakeSecret(str("2")), "__defaults": str("x"),
		"o": resource.NewObjectProperty(resource.PropertyMap{"x": str("1"), "y": str("2")}),
	}
	tests := map[string]struct {
		change resource.PropertyMap // over old; null deletes
		want   map[string]plugin.PropertyDiff
	}{
		"nothing":              {nil, nil},
		"only the secret mark": {resource.PropertyMap{"b": str("2"), "a": resource.MakeSecret(str("1"))}, nil},
		"only bookkeeping":     {resource.PropertyMap{"__defaults": str("y")}, nil},
		"a replacing one":      {resource.PropertyMap{"a": str("2")}, map[string]plugin.PropertyDiff{"a": {Kind: plugin.DiffUpdateReplace, InputDiff: true}}},
		"a nested one": {
			resource.PropertyMap{"o": resource.NewObjectProperty(resource.PropertyMap{"x": str("2"), "z": str("1")})},
			map[string]plugin.PropertyDiff{
				"o.x": {Kind: plugin.DiffUpdate, InputDiff: true},
				"o.y": {Kind: plugin.DiffDelete, InputDiff: true},
				"o.z": {Kind: plugin.DiffAdd, InputDiff: true},
			},
		},
		"an unknown one": {resource.PropertyMap{"b": Unknown()}, map[string]plugin.PropertyDiff{"b": {Kind: plugin.DiffUpdate, InputDiff: true}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			news := old.Copy()
			for k, v := range tt.change {
				news[k] = v
			}
			got := Diff(old, news, func(k resource.PropertyKey) bool { return k == "a" })
			if d := cmp.Diff(tt.want, got.DetailedDiff); d != "" {
				t.Error(d)
			}
			if want := len(tt.want) > 0; (got.Changes == plugin.DiffSome) != want {
				t.Errorf("changes = %v", got.Changes)
			}
		})
	}
}
