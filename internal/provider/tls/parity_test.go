package tls

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	sdk "github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/meshwright/meshwright/internal/provider"
	pt "github.com/meshwright/meshwright/internal/provider/providertest"
)

// TestParity holds the twin to the SDK: every input that the SDK's types have is
// read, and every output is set.
func TestParity(t *testing.T) {
	c, _ := serve(t)
	ch := makeChain(t, c)
	tests := map[string]struct {
		typ      string
		args     reflect.Type
		resource reflect.Type
		made     *pt.Resource
		// unset are the inputs that the resource made above leaves out and that
		// have no default.
		unset []string
		// secret are the outputs that the SDK marks so.
		secret []string
	}{
		"PrivateKey":        {keyType, sdk.PrivateKeyArgs{}.ElementType(), reflect.TypeFor[sdk.PrivateKey](), ch.key, nil, []string{"privateKeyOpenssh", "privateKeyPem", "privateKeyPemPkcs8"}},
		"CertRequest":       {requestType, sdk.CertRequestArgs{}.ElementType(), reflect.TypeFor[sdk.CertRequest](), ch.request, nil, []string{"privateKeyPem"}},
		"SelfSignedCert":    {selfType, sdk.SelfSignedCertArgs{}.ElementType(), reflect.TypeFor[sdk.SelfSignedCert](), ch.root, []string{"dnsNames", "ipAddresses", "uris"}, []string{"privateKeyPem"}},
		"LocallySignedCert": {signedType, sdk.LocallySignedCertArgs{}.ElementType(), reflect.TypeFor[sdk.LocallySignedCert](), ch.intermediate, nil, []string{"caPrivateKeyPem"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			k, err := kindOf(pt.URN(tt.typ, "x").Type())
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tags(tt.args, "pulumi"), tags(reflect.TypeOf(k.args()).Elem(), "json")); d != "" {
				t.Errorf("inputs: %s", d)
			}
			var outputs []string
			for key := range tt.made.Outputs {
				outputs = append(outputs, string(key))
			}
			outputs = append(outputs, tt.unset...)
			slices.Sort(outputs)
			if d := cmp.Diff(tags(tt.resource, "pulumi"), outputs); d != "" {
				t.Errorf("outputs: %s", d)
			}
			var secret []string
			for key, v := range tt.made.Outputs {
				if v.IsSecret() {
					secret = append(secret, string(key))
				}
			}
			slices.Sort(secret)
			if d := cmp.Diff(tt.secret, secret); d != "" {
				t.Errorf("secret outputs: %s", d)
			}
			// Every input replaces but the one that is about the next renewal only.
			for _, input := range tags(tt.args, "pulumi") {
				news := tt.made.Inputs.Copy()
				news[resource.PropertyKey(input)] = provider.Unknown()
				got := c.Diff(tt.made, news)
				if slices.Contains(got.GetReplaces(), input) != (input != "earlyRenewalHours") || !slices.Contains(got.GetDiffs(), input) {
					t.Errorf("a change of %s: %v", input, got)
				}
			}
		})
	}
	if d := cmp.Diff(tags(sdk.SelfSignedCertSubjectArgs{}.ElementType(), "pulumi"), tags(reflect.TypeFor[subject](), "json")); d != "" {
		t.Errorf("subject: %s", d)
	}
}

// tags returns the names that a struct's fields have under a tag, sorted, those
// of embedded structs without a tag included.
func tags(typ reflect.Type, tag string) []string {
	found := map[string]bool{}
	for _, f := range reflect.VisibleFields(typ) {
		if name, _, _ := strings.Cut(f.Tag.Get(tag), ","); name != "" {
			found[name] = true
		}
	}
	delete(found, "id")
	delete(found, "urn")
	return slices.Sorted(maps.Keys(found))
}
