package provider

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

func TestLeafSecrets(t *testing.T) {
	text := resource.NewStringProperty
	m := resource.PropertyMap{
		"plain": text("plain"),
		"one":   resource.MakeSecret(text("one")),
		"below": resource.MakeSecret(resource.NewObjectProperty(resource.PropertyMap{
			"a": resource.NewArrayProperty([]resource.PropertyValue{text("two"), resource.NewNumberProperty(1)}), "b": resource.MakeSecret(text("three")),
		})),
		"deep":     resource.NewObjectProperty(resource.PropertyMap{"x": resource.MakeSecret(text("four")), "y": text("plain")}),
		"output":   resource.NewOutputProperty(resource.Output{Element: text("five"), Known: true, Secret: true}),
		"unknown":  resource.MakeSecret(Unknown()),
		"__inputs": resource.MakeSecret(text("all inputs again")),
	}
	var got []string
	LeafSecrets(m, func(s string) { got = append(got, s) })
	slices.Sort(got)
	if diff := cmp.Diff([]string{"five", "four", "one", "three", "two"}, got); diff != "" {
		t.Error(diff)
	}
}
