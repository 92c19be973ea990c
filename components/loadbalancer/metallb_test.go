package loadbalancer

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/components/artifacts"
)

func TestImageReferencesAreSplit(t *testing.T) {
	for reference, want := range map[string][2]string{
		"quay.io/metallb/speaker:v0.15.2":            {"quay.io/metallb/speaker", "v0.15.2"},
		"registry.local:5000/speaker:v1":             {"registry.local:5000/speaker", "v1"},
		"registry.local:5000/speaker":                {},
		"speaker":                                    {},
		"quay.io/metallb/speaker:v0.15.2@sha256:abc": {"quay.io/metallb/speaker", "v0.15.2@sha256:abc"},
		"meshwright.local/metallb/speaker:1.0":       {"meshwright.local/metallb/speaker", "1.0"},
	} {
		t.Run(reference, func(t *testing.T) {
			got, err := image(&artifacts.Set{Images: map[string]artifacts.Image{"speaker": {Name: reference}}}, "speaker")
			if want == ([2]string{}) {
				if err == nil {
					t.Errorf("accepted as %v", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			split := [2]string{string(got["repository"].(pulumi.String)), string(got["tag"].(pulumi.String))}
			if diff := cmp.Diff(want, split); diff != "" {
				t.Error(diff)
			}
		})
	}
}
