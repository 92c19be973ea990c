// Package tls is a twin of the official pulumi-tls provider 5.3.1, which bridges
// hashicorp/tls, for the resources PrivateKey, SelfSignedCert, CertRequest and
// LocallySignedCert: same tokens, inputs, outputs, secrets, defaults, IDs and
// replacement on change. Everything lives in the state; nothing is made outside.
//
// As there, a maxPathLength of 0 sets no constraint, a certificate whose time
// has come is replaced at the next update, and only earlyRenewalHours changes
// in place.
package tls

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"

	"github.com/meshwright/meshwright/internal/provider"
)

// Version is the plugin version that the tls SDK asks for.
const Version = "5.3.1"

type twin struct {
	provider.Base
	now func() time.Time
}

// New returns a provider for one connection.
func New() plugin.Provider { return newTwin(time.Now) }

func newTwin(now func() time.Time) *twin {
	return &twin{Base: provider.Base{Package: "tls", Version: semver.MustParse(Version)}, now: now}
}

// args are the inputs of one resource type.
type args interface {
	check(c *provider.Checker)
	// make makes the resource at the time now: its ID and computed outputs.
	make(now time.Time) (id string, computed resource.PropertyMap, err error)
}

// kind is a resource type.
type kind struct {
	args     func() args
	required []resource.PropertyKey
	defaults resource.PropertyMap   // outputs of inputs that are not set
	computed []resource.PropertyKey // outputs that are unknown in a preview
	secrets  []resource.PropertyKey // outputs that are secret
	expires  bool                   // has validityEndTime and readyForRenewal
}

var kinds = map[tokens.Type]kind{
	"tls:index/privateKey:PrivateKey": {
		args:     func() args { return &privateKey{} },
		required: []resource.PropertyKey{"algorithm"},
		defaults: resource.PropertyMap{"ecdsaCurve": str("P224"), "rsaBits": resource.NewNumberProperty(2048)},
		computed: []resource.PropertyKey{
			"privateKeyOpenssh", "privateKeyPem", "privateKeyPemPkcs8",
			"publicKeyFingerprintMd5", "publicKeyFingerprintSha256", "publicKeyOpenssh", "publicKeyPem",
		},
		secrets: []resource.PropertyKey{"privateKeyOpenssh", "privateKeyPem", "privateKeyPemPkcs8"},
	},
	"tls:index/certRequest:CertRequest": {
		args:     func() args { return &certRequest{} },
		required: []resource.PropertyKey{"privateKeyPem"},
		computed: []resource.PropertyKey{"certRequestPem", "keyAlgorithm"},
		secrets:  []resource.PropertyKey{"privateKeyPem"},
	},
	"tls:index/selfSignedCert:SelfSignedCert": {
		args:     func() args { return &selfSignedCert{} },
		required: []resource.PropertyKey{"allowedUses", "privateKeyPem", "validityPeriodHours"},
		defaults: resource.PropertyMap{
			"earlyRenewalHours": resource.NewNumberProperty(0), "isCaCertificate": no, "maxPathLength": unlimited,
			"setAuthorityKeyId": no, "setSubjectKeyId": no, "readyForRenewal": no,
		},
		computed: []resource.PropertyKey{"certPem", "keyAlgorithm", "validityEndTime", "validityStartTime"},
		secrets:  []resource.PropertyKey{"privateKeyPem"},
		expires:  true,
	},
	"tls:index/locallySignedCert:LocallySignedCert": {
		args:     func() args { return &locallySignedCert{} },
		required: []resource.PropertyKey{"allowedUses", "caCertPem", "caPrivateKeyPem", "certRequestPem", "validityPeriodHours"},
		defaults: resource.PropertyMap{
			"earlyRenewalHours": resource.NewNumberProperty(0), "isCaCertificate": no, "maxPathLength": unlimited,
			"setSubjectKeyId": no, "readyForRenewal": no,
		},
		computed: []resource.PropertyKey{"caKeyAlgorithm", "certPem", "validityEndTime", "validityStartTime"},
		secrets:  []resource.PropertyKey{"caPrivateKeyPem"},
		expires:  true,
	},
}

var (
	no        = resource.NewBoolProperty(false)
	unlimited = resource.NewNumberProperty(-1)
)

func str(s string) resource.PropertyValue { return resource.NewStringProperty(s) }

func kindOf(typ tokens.Type) (kind, error) {
	k, ok := kinds[typ]
	if !ok {
		return kind{}, fmt.Errorf("the embedded tls provider has no resource type %s: it holds keys, requests and certificates; the official plugin has the rest", typ)
	}
	return k, nil
}

func (t *twin) Check(_ context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	k, err := kindOf(req.Type)
	if err != nil {
		return plugin.CheckResponse{}, err
	}
	a := k.args()
	return provider.CheckInputs(req.News, a, func(c *provider.Checker) {
		for _, name := range k.required {
			if req.News[name].IsNull() {
				c.Fail(string(name), "it is required")
			}
		}
		if !c.Failed() {
			a.check(c)
		}
	}), nil
}

// withDefaults adds what is not set, and leaves out what is null.
func (k kind) withDefaults(inputs resource.PropertyMap) resource.PropertyMap {
	out := k.defaults.Copy()
	for key, v := range inputs {
		if !v.IsNull() {
			out[key] = v
		}
	}
	return out
}

func (t *twin) Diff(_ context.Context, req plugin.DiffRequest) (plugin.DiffResponse, error) {
	k, err := kindOf(req.Type)
	if err != nil {
		return plugin.DiffResponse{}, err
	}
	d := provider.Diff(k.withDefaults(req.OldInputs), k.withDefaults(req.NewInputs),
		func(key resource.PropertyKey) bool { return key != "earlyRenewalHours" })
	if k.expires && t.due(req.OldOutputs, req.NewInputs) {
		if d.DetailedDiff == nil {
			d.DetailedDiff = map[string]plugin.PropertyDiff{}
		}
		d.Changes = plugin.DiffSome
		d.DetailedDiff["readyForRenewal"] = plugin.PropertyDiff{Kind: plugin.DiffUpdateReplace}
		d.ReplaceKeys = append(d.ReplaceKeys, "readyForRenewal")
		d.ChangedKeys = append(d.ChangedKeys, "readyForRenewal")
	}
	return d, nil
}

// due says whether the time to renew a certificate has come: its end less the
// early hours of inputs.
func (t *twin) due(outputs, inputs resource.PropertyMap) bool {
	end, err := time.Parse(time.RFC3339, provider.Text(outputs["validityEndTime"]))
	if err != nil {
		return false
	}
	var early float64
	if v := inputs["earlyRenewalHours"]; v.IsNumber() {
		early = v.NumberValue()
	}
	return !t.now().Before(end.Add(-time.Duration(early) * time.Hour))
}

func (t *twin) Create(_ context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	k, err := kindOf(req.Type)
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	outputs := k.withDefaults(req.Properties)
	if req.Preview {
		for _, key := range k.computed {
			outputs[key] = provider.Unknown()
		}
		return plugin.CreateResponse{Properties: k.hide(outputs)}, nil
	}
	a := k.args()
	known := outputs.Copy()
	delete(known, "readyForRenewal") // make needs no computed defaults
	unknown, err := provider.Decode(known, a)
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	if len(unknown) > 0 {
		return plugin.CreateResponse{}, fmt.Errorf("%s: unknown inputs: %s", req.URN.Name(), strings.Join(unknown, ", "))
	}
	id, computed, err := a.make(t.now())
	if err != nil {
		return plugin.CreateResponse{}, fmt.Errorf("%s %s: %w", req.Type.Name(), req.URN.Name(), err)
	}
	maps.Copy(outputs, computed)
	return plugin.CreateResponse{ID: resource.ID(id), Properties: k.hide(outputs)}, nil
}

// hide marks what is secret.
func (k kind) hide(outputs resource.PropertyMap) resource.PropertyMap {
	for _, key := range k.secrets {
		if v, ok := outputs[key]; ok && !v.IsSecret() {
			outputs[key] = resource.MakeSecret(v)
		}
	}
	return outputs
}

// Read has nothing to look at but the clock.
func (t *twin) Read(_ context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	k, err := kindOf(req.Type)
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	if len(req.State) == 0 {
		return plugin.ReadResponse{}, fmt.Errorf("%s cannot be imported: it exists in a state only", req.Type)
	}
	outputs := req.State.Copy()
	if k.expires && t.due(outputs, outputs) {
		outputs["readyForRenewal"] = resource.NewBoolProperty(true)
	}
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: req.Inputs, Outputs: k.hide(outputs)}}, nil
}

// Update serves earlyRenewalHours, the only property that changes in place.
func (t *twin) Update(_ context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	k, err := kindOf(req.Type)
	if err != nil {
		return plugin.UpdateResponse{}, err
	}
	outputs := k.withDefaults(req.NewInputs)
	for _, key := range k.computed {
		if v, ok := req.OldOutputs[key]; ok {
			outputs[key] = v
		}
	}
	return plugin.UpdateResponse{Properties: k.hide(outputs)}, nil
}

// Delete has nothing to delete.
func (t *twin) Delete(context.Context, plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	return plugin.DeleteResponse{}, nil
}

// NewSimulated returns a provider for one connection that generates no keys and signs
// nothing. Its outputs follow from the URN, and its certificates never expire.
func NewSimulated() plugin.Provider {
	return provider.Simulated(New(), func(req plugin.CreateRequest, res *plugin.CreateResponse) error {
		k := kinds[req.Type] // the preview knew it
		for _, key := range k.computed {
			sum := sha256.Sum256([]byte(string(key) + " of " + string(req.URN)))
			value := str("simulated-" + hex.EncodeToString(sum[:8]))
			if strings.Contains(string(key), "Pem") {
				value = pemText("SIMULATED", sum[:])
			}
			res.Properties[key] = value
		}
		res.ID = resource.ID(sha1Hex([]byte(req.URN)))
		k.hide(res.Properties)
		return nil
	})
}
