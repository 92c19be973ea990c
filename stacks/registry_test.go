package stacks

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshwright/meshwright/internal/artifacts"
)

// registryArtifacts are the official ones as a lock file pins them; the digests
// are made up, and the same on every machine.
func registryArtifacts() *artifacts.Set {
	set := artifacts.Registry()
	for role, image := range set.Images {
		image.Name += "@sha256:" + strings.Repeat("0", 64)
		set.Images[role] = image
	}
	return set
}

// TestRegistryGraphOfEveryStack: the two sources of artifacts make the same
// resources, in the same order of dependence; the golden files hold those that
// differ in what they are made of.
func TestRegistryGraphOfEveryStack(t *testing.T) {
	for stack := range stackFiles(t) {
		t.Run(stack, func(t *testing.T) {
			airgap := graph(t, stack).seen
			registry := graphFrom(t, ProgramWith(registryArtifacts()), stackConfig(t, stack)).seen
			if len(airgap) != len(registry) {
				t.Fatalf("%d resources from the kit, %d from the registries", len(airgap), len(registry))
			}
			var differ []registered
			for i, r := range registry {
				other := airgap[i]
				if cmp.Equal(r, other) {
					continue
				}
				differ = append(differ, r)
				r.Inputs, other.Inputs = nil, nil
				if diff := cmp.Diff(other, r); diff != "" {
					t.Errorf("more than the inputs differs: %s", diff)
				}
			}
			compareGraph(t, filepath.Join("registry", stack), &recorder{seen: differ})
		})
	}
}

// TestTelemetryIsOnWithOfficialProxies: what the kit's plain Envoy cannot do is
// switched off for it alone.
func TestTelemetryIsOnWithOfficialProxies(t *testing.T) {
	switches := []string{"telemetry", "PILOT_ENABLE_METADATA_EXCHANGE", "PILOT_ENABLE_ALPN_FILTER"}
	for stack := range stackFiles(t) {
		for source, set := range map[string]*artifacts.Set{"airgap": testArtifacts(), "registry": registryArtifacts()} {
			istiods := 0
			for _, r := range graphFrom(t, ProgramWith(set), stackConfig(t, stack)).seen {
				if !strings.HasSuffix(r.Name, "-istio-istiod") {
					continue
				}
				istiods++
				text, err := json.Marshal(r.Inputs)
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range switches {
					if has := strings.Contains(string(text), `"`+s+`":`); has != (source == "airgap") {
						t.Errorf("%s from %s: %s has %s: %v", stack, source, r.Name, s, has)
					}
				}
			}
			if istiods == 0 {
				t.Errorf("%s has no istiod", stack)
			}
		}
	}
}

// TestEveryOfficialImageIsNamedByDigest, in the charts' values too.
func TestEveryOfficialImageIsNamedByDigest(t *testing.T) {
	set := registryArtifacts()
	text := ""
	for _, r := range graphFrom(t, ProgramWith(set), stackConfig(t, "dev")).seen {
		inputs, err := json.Marshal(r.Inputs)
		if err != nil {
			t.Fatal(err)
		}
		text += string(inputs)
	}
	for role, image := range set.Images {
		name, digest, _ := strings.Cut(image.Name, "@")
		whole := strings.Contains(text, `"`+image.Name+`"`)
		tag := name[strings.LastIndex(name, ":")+1:]
		split := strings.Contains(text, `"`+tag+"@"+digest+`"`) // a chart that takes repository and tag
		if role != "load" && !whole && !split {
			t.Errorf("%s is not named as %s", role, image.Name)
		}
		if strings.Contains(text, `"`+name+`"`) {
			t.Errorf("%s is named by tag alone", role)
		}
	}
	if !strings.Contains(text, set.NodeImage.Name) || !strings.Contains(set.NodeImage.Name, "@sha256:") {
		t.Errorf("the nodes are not made from %s", set.NodeImage.Name)
	}
}
