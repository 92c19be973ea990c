package tls

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/meshwright/meshwright/internal/provider"
	pt "github.com/meshwright/meshwright/internal/provider/providertest"
)

var documentedDefault = regexp.MustCompile("\\(default: `(.*?)`\\)")

// TestParity holds the twin to the SDK's source: every input that it has is read,
// every output is set, and what it requires, hides and fills in is the same.
func TestParity(t *testing.T) {
	t.Parallel()
	sdk := pt.ReadSource(t, "github.com/pulumi/pulumi-tls/sdk/v5/go/tls")
	if sdk.Version != "v"+Version {
		t.Errorf("the SDK is %s, the twin is of %s", sdk.Version, Version)
	}
	c, _ := serve(t)
	ch := makeChain(t, c)
	tests := map[string]struct {
		typ  string
		made *pt.Resource
		// unset are the inputs that the resource made above leaves out and that
		// have no default.
		unset []string
	}{
		"PrivateKey":        {keyType, ch.key, nil},
		"CertRequest":       {requestType, ch.request, nil},
		"SelfSignedCert":    {selfType, ch.root, []string{"dnsNames", "ipAddresses", "uris"}},
		"LocallySignedCert": {signedType, ch.intermediate, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			urn := pt.URN(tt.typ, "x")
			k, err := kindOf(urn.Type())
			if err != nil {
				t.Fatal(err)
			}
			inputs := sdk.Properties(pt.Inputs(name))
			if d := cmp.Diff(inputs, pt.Decoded(reflect.TypeOf(k.args()).Elem())); d != "" {
				t.Errorf("inputs: %s", d)
			}
			var outputs, secret []string
			for key, v := range tt.made.Outputs {
				outputs = append(outputs, string(key))
				if v.IsSecret() {
					secret = append(secret, string(key))
				}
			}
			outputs = append(outputs, tt.unset...)
			slices.Sort(outputs)
			slices.Sort(secret)
			if d := cmp.Diff(sdk.Properties(name), outputs); d != "" {
				t.Errorf("outputs: %s", d)
			}
			if d := cmp.Diff(sdk.Option(name, "AdditionalSecretOutputs"), secret); d != "" {
				t.Errorf("secret outputs: %s", d)
			}

			_, failures := c.Check(urn, nil, nil)
			var required []string
			minimal := resource.PropertyMap{}
			for _, f := range failures {
				property, _, _ := strings.Cut(f, ":")
				required = append(required, property)
				minimal[resource.PropertyKey(property)] = provider.Unknown()
			}
			slices.Sort(required)
			if d := cmp.Diff(sdk.Required(name), required); d != "" {
				t.Errorf("required inputs: %s", d)
			}
			defaults := map[string]string{}
			for _, f := range sdk.Fields(pt.Inputs(name)) {
				if m := documentedDefault.FindStringSubmatch(f.Doc); m != nil {
					defaults[f.Property] = m[1]
				}
				if f.Property == "maxPathLength" {
					defaults[f.Property] = "-1" // says the documentation of the bridged provider
				}
			}
			filled := map[string]string{}
			preview := c.Preview(urn, minimal)
			for _, property := range inputs {
				if v, ok := preview[resource.PropertyKey(property)]; ok && !slices.Contains(required, property) {
					filled[property] = fmt.Sprint(v.V)
				}
			}
			if d := cmp.Diff(defaults, filled); d != "" {
				t.Errorf("defaults: %s", d)
			}

			// Every input replaces but the one that is about the next renewal only.
			for _, input := range inputs {
				news := tt.made.Inputs.Copy()
				news[resource.PropertyKey(input)] = provider.Unknown()
				got := c.Diff(tt.made, news)
				if slices.Contains(got.GetReplaces(), input) != (input != "earlyRenewalHours") || !slices.Contains(got.GetDiffs(), input) {
					t.Errorf("a change of %s: %v", input, got)
				}
			}
		})
	}
	for _, name := range []string{"SelfSignedCertSubject", "CertRequestSubject"} {
		if d := cmp.Diff(sdk.Properties(name), pt.Decoded(reflect.TypeFor[subject]())); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	// The provider's one option is about functions, none of which are here.
	if d := cmp.Diff([]string{"proxy"}, sdk.Properties("providerArgs")); d != "" {
		t.Errorf("options: %s", d)
	}
}
