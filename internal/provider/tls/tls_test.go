package tls

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/meshwright/meshwright/internal/provider"
	pt "github.com/meshwright/meshwright/internal/provider/providertest"
)

const (
	keyType     = "tls:index/privateKey:PrivateKey"
	requestType = "tls:index/certRequest:CertRequest"
	selfType    = "tls:index/selfSignedCert:SelfSignedCert"
	signedType  = "tls:index/locallySignedCert:LocallySignedCert"
)

// start is when the tests' clocks begin; whole seconds, as certificates have.
var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// serve returns a provider whose clock the test sets.
func serve(t *testing.T) (*pt.Client, *time.Time) {
	now := start
	return pt.Serve(t, func() plugin.Provider { return newTwin(func() time.Time { return now }) }), &now
}

func reveal(t *testing.T, v resource.PropertyValue) string {
	t.Helper()
	if !v.IsSecret() {
		t.Fatalf("%v is no secret", v)
	}
	return v.SecretValue().Element.StringValue()
}

func parseCert(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		t.Fatalf("no certificate: %q", text)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// chain is a root, and an intermediate as the mesh uses it.
type chain struct {
	key, root, request, intermediate *pt.Resource
}

func makeChain(t *testing.T, c *pt.Client) chain {
	t.Helper()
	var ch chain
	ch.key = c.MustCreate(pt.URN(keyType, "root"), pt.Obj("algorithm", "ECDSA", "ecdsaCurve", "P256"))
	ch.root = c.MustCreate(pt.URN(selfType, "root"), pt.Obj(
		"privateKeyPem", ch.key.Outputs["privateKeyPem"], "isCaCertificate", true,
		"subject", pt.Obj("commonName", "Root CA", "organization", "Mesh"),
		"validityPeriodHours", 87600.0, "allowedUses", pt.Arr("cert_signing", "crl_signing"),
	))
	key := c.MustCreate(pt.URN(keyType, "intermediate"), pt.Obj("algorithm", "RSA"))
	ch.request = c.MustCreate(pt.URN(requestType, "intermediate"), pt.Obj(
		"privateKeyPem", key.Outputs["privateKeyPem"],
		"subject", pt.Obj("commonName", "Intermediate CA", "emailAddress", "a@example.com", "streetAddresses", pt.Arr("1 Road", "2 Road")),
		"dnsNames", pt.Arr("istiod.istio-system.svc"), "ipAddresses", pt.Arr("10.0.0.1"), "uris", pt.Arr("spiffe://cluster.local/x"),
	))
	ch.intermediate = c.MustCreate(pt.URN(signedType, "intermediate"), pt.Obj(
		"certRequestPem", ch.request.Outputs["certRequestPem"], "caCertPem", ch.root.Outputs["certPem"],
		"caPrivateKeyPem", ch.key.Outputs["privateKeyPem"], "isCaCertificate", true,
		"validityPeriodHours", 8760.0, "allowedUses", pt.Arr("cert_signing", "crl_signing", "digital_signature", "server_auth"),
	))
	return ch
}

func TestChainVerifies(t *testing.T) {
	t.Parallel()
	c, _ := serve(t)
	ch := makeChain(t, c)
	root := parseCert(t, ch.root.Outputs["certPem"].StringValue())
	intermediate := parseCert(t, ch.intermediate.Outputs["certPem"].StringValue())
	roots := x509.NewCertPool()
	roots.AddCert(root)
	if _, err := intermediate.Verify(x509.VerifyOptions{
		Roots: roots, DNSName: "istiod.istio-system.svc", CurrentTime: start.Add(time.Hour), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}); err != nil {
		t.Error(err)
	}
	stranger := x509.NewCertPool()
	stranger.AddCert(parseCert(t, makeChain(t, c).root.Outputs["certPem"].StringValue()))
	var unknown x509.UnknownAuthorityError
	if _, err := intermediate.Verify(x509.VerifyOptions{Roots: stranger, CurrentTime: start.Add(time.Hour), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); !errors.As(err, &unknown) {
		t.Errorf("a stranger's root verifies it: %v", err)
	}

	// A leaf under the intermediate, so that the intermediate really is an authority.
	key := c.MustCreate(pt.URN(keyType, "leaf"), pt.Obj("algorithm", "ED25519"))
	request := c.MustCreate(pt.URN(requestType, "leaf"), pt.Obj("privateKeyPem", key.Outputs["privateKeyPem"], "dnsNames", pt.Arr("leaf")))
	_, err := c.Create(t.Context(), pt.URN(signedType, "leaf"), pt.Obj(
		"certRequestPem", request.Outputs["certRequestPem"], "caCertPem", ch.intermediate.Outputs["certPem"],
		"caPrivateKeyPem", ch.key.Outputs["privateKeyPem"], "validityPeriodHours", 1.0, "allowedUses", pt.Arr(),
	))
	if err == nil {
		t.Error("signed with a key that is not the authority's")
	}

	if !root.IsCA || !intermediate.IsCA || root.MaxPathLen != -1 || intermediate.MaxPathLen != -1 {
		t.Errorf("IsCA %v %v, path lengths %d %d", root.IsCA, intermediate.IsCA, root.MaxPathLen, intermediate.MaxPathLen)
	}
	if d := cmp.Diff(root.SubjectKeyId, intermediate.AuthorityKeyId); d != "" || len(root.SubjectKeyId) != 20 {
		t.Errorf("key identifiers: %s", d)
	}
	if intermediate.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign|x509.KeyUsageDigitalSignature {
		t.Errorf("key usage %b", intermediate.KeyUsage)
	}
	want := &url.URL{Scheme: "spiffe", Host: "cluster.local", Path: "/x"}
	if len(intermediate.URIs) != 1 || intermediate.URIs[0].String() != want.String() || intermediate.IPAddresses[0].String() != "10.0.0.1" {
		t.Errorf("names: %v %v", intermediate.URIs, intermediate.IPAddresses)
	}
	if ch.intermediate.Outputs["caKeyAlgorithm"].StringValue() != "ECDSA" || ch.request.Outputs["keyAlgorithm"].StringValue() != "RSA" {
		t.Error("algorithms")
	}
	if string(ch.intermediate.ID) != intermediate.SerialNumber.String() {
		t.Errorf("id = %s", ch.intermediate.ID)
	}
	if !intermediate.NotAfter.Equal(start.Add(8760 * time.Hour)) {
		t.Errorf("ends %s", intermediate.NotAfter)
	}
}

func TestPathLength(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in   resource.PropertyMap
		want int
	}{
		"none":      {nil, -1},
		"unlimited": {pt.Obj("maxPathLength", -1.0), -1},
		"zero":      {pt.Obj("maxPathLength", 0.0), -1}, // as the official provider
		"two":       {pt.Obj("maxPathLength", 2.0), 2},
	}
	c, _ := serve(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := c.MustCreate(pt.URN(selfType, "c"), pt.With(selfSigned(t, c, true), tt.in))
			if got := parseCert(t, r.Outputs["certPem"].StringValue()).MaxPathLen; got != tt.want {
				t.Errorf("path length %d", got)
			}
		})
	}
}

// selfSigned returns inputs of a certificate for a year.
func selfSigned(t *testing.T, c *pt.Client, ca bool) resource.PropertyMap {
	t.Helper()
	key := c.MustCreate(pt.URN(keyType, "k"), pt.Obj("algorithm", "ECDSA", "ecdsaCurve", "P256"))
	return pt.Obj("privateKeyPem", key.Outputs["privateKeyPem"], "isCaCertificate", ca, "subject", pt.Obj("commonName", "x"),
		"validityPeriodHours", 8760.0, "allowedUses", pt.Arr("digital_signature"))
}

func TestKeyIdentifiers(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in                 resource.PropertyMap
		subject, authority bool
		err                string
	}{
		"neither":         {nil, false, false, ""},
		"subject":         {pt.Obj("setSubjectKeyId", true), true, false, ""},
		"both":            {pt.Obj("setSubjectKeyId", true, "setAuthorityKeyId", true), true, true, ""},
		"authority alone": {pt.Obj("setAuthorityKeyId", true), false, false, "setSubjectKeyId"},
	}
	c, _ := serve(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, err := c.Create(t.Context(), pt.URN(selfType, "c"), pt.With(selfSigned(t, c, false), tt.in))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("err = %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			cert := parseCert(t, r.Outputs["certPem"].StringValue())
			if (len(cert.SubjectKeyId) > 0) != tt.subject || (len(cert.AuthorityKeyId) > 0) != tt.authority {
				t.Errorf("identifiers %x %x", cert.SubjectKeyId, cert.AuthorityKeyId)
			}
		})
	}
}

func TestRenewal(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		early   float64
		elapsed time.Duration
		due     bool
	}{
		"fresh":                 {0, time.Hour, false},
		"a moment before":       {0, 8760*time.Hour - time.Second, false},
		"expired":               {0, 8760 * time.Hour, true},
		"before the early time": {24, 8735 * time.Hour, false},
		"in the early time":     {24, 8736 * time.Hour, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, now := serve(t)
			inputs := selfSigned(t, c, true)
			inputs["earlyRenewalHours"] = resource.NewNumberProperty(tt.early)
			r := c.MustCreate(pt.URN(selfType, "c"), inputs)
			if r.Outputs["readyForRenewal"].BoolValue() {
				t.Error("ready when it was made")
			}
			*now = start.Add(tt.elapsed)
			d := c.Diff(r, inputs)
			if got := slices.Contains(d.GetReplaces(), "readyForRenewal"); got != tt.due {
				t.Errorf("diff = %v", d)
			}
			if !tt.due && d.GetChanges() != pulumirpc.DiffResponse_DIFF_NONE {
				t.Errorf("diff = %v", d)
			}
			read, err := c.Read(r)
			if err != nil {
				t.Fatal(err)
			}
			if got := read.Outputs["readyForRenewal"].BoolValue(); got != tt.due {
				t.Errorf("readyForRenewal after a refresh = %v", got)
			}
		})
	}
}

func TestOnlyEarlyRenewalChangesInPlace(t *testing.T) {
	t.Parallel()
	c, _ := serve(t)
	inputs := selfSigned(t, c, true)
	r := c.MustCreate(pt.URN(selfType, "c"), inputs)
	changes := map[string]resource.PropertyValue{
		"allowedUses": pt.Arr("cert_signing"), "validityPeriodHours": resource.NewNumberProperty(1), "dnsNames": pt.Arr("a"),
		"isCaCertificate": resource.NewBoolProperty(false), "setSubjectKeyId": resource.NewBoolProperty(true),
		"subject": resource.NewObjectProperty(pt.Obj("commonName", "y")), "maxPathLength": resource.NewNumberProperty(1),
		"privateKeyPem": provider.Unknown(), "ipAddresses": pt.Arr("::1"), "uris": pt.Arr("a:b"),
		"setAuthorityKeyId": resource.NewBoolProperty(true),
	}
	for key, v := range changes {
		news := inputs.Copy()
		news[resource.PropertyKey(key)] = v
		if d := c.Diff(r, news); !slices.Equal(d.GetReplaces(), []string{key}) {
			t.Errorf("%s: diff = %v", key, d)
		}
	}
	news := inputs.Copy()
	news["earlyRenewalHours"] = resource.NewNumberProperty(48)
	if d := c.Diff(r, news); len(d.GetReplaces()) > 0 || !slices.Equal(d.GetDiffs(), []string{"earlyRenewalHours"}) {
		t.Errorf("diff = %v", d)
	}
	updated, err := c.Update(t.Context(), r, news)
	if err != nil {
		t.Fatal(err)
	}
	if updated.Outputs["earlyRenewalHours"].NumberValue() != 48 || !updated.Outputs["certPem"].DeepEquals(r.Outputs["certPem"]) {
		t.Error("the update lost something")
	}
	reveal(t, updated.Outputs["privateKeyPem"])
	if err := c.Delete(t.Context(), updated); err != nil {
		t.Error(err)
	}
}

func TestPreviewIsUnknownAndSecret(t *testing.T) {
	t.Parallel()
	c, _ := serve(t)
	key := c.Preview(pt.URN(keyType, "k"), pt.Obj("algorithm", "RSA"))
	if v := key["privateKeyPem"]; !v.IsSecret() || !v.SecretValue().Element.IsComputed() {
		t.Errorf("privateKeyPem = %v", v)
	}
	if !key["publicKeyPem"].IsComputed() || key["rsaBits"].NumberValue() != 2048 {
		t.Errorf("outputs = %v", key)
	}
	cert := c.Preview(pt.URN(signedType, "c"), pt.Obj("certRequestPem", provider.Unknown(), "caCertPem", provider.Unknown(),
		"caPrivateKeyPem", key["privateKeyPem"], "allowedUses", pt.Arr(), "validityPeriodHours", 1.0))
	if !cert["certPem"].IsComputed() || !cert["caPrivateKeyPem"].IsSecret() || cert["readyForRenewal"].BoolValue() {
		t.Errorf("outputs = %v", cert)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		typ  string
		in   resource.PropertyMap
		want string
	}{
		"a good key":          {keyType, pt.Obj("algorithm", "RSA"), ""},
		"an unknown key":      {keyType, pt.Obj("algorithm", provider.Unknown()), ""},
		"no algorithm":        {keyType, pt.Obj(), "algorithm: "},
		"a bad algorithm":     {keyType, pt.Obj("algorithm", "DSA"), "algorithm: "},
		"a bad curve":         {keyType, pt.Obj("algorithm", "ECDSA", "ecdsaCurve", "P1"), "ecdsaCurve: "},
		"an extra property":   {keyType, pt.Obj("algorithm", "RSA", "bits", 1.0), `unknown property "bits"`},
		"a request for no IP": {requestType, pt.Obj("privateKeyPem", "x", "ipAddresses", pt.Arr("1.2.3")), "ipAddresses: "},
		"a bad use":           {selfType, pt.Obj("privateKeyPem", "x", "validityPeriodHours", 1.0, "allowedUses", pt.Arr("certSigning")), "allowedUses: "},
		"an unknown use":      {selfType, pt.Obj("privateKeyPem", "x", "validityPeriodHours", 1.0, "allowedUses", pt.Arr(provider.Unknown())), ""},
		"a nameless CA":       {selfType, pt.Obj("privateKeyPem", "x", "validityPeriodHours", 1.0, "allowedUses", pt.Arr(), "isCaCertificate", true), "subject: "},
		"negative hours":      {selfType, pt.Obj("privateKeyPem", "x", "validityPeriodHours", -1.0, "allowedUses", pt.Arr()), "validityPeriodHours: "},
		"missing ones":        {signedType, pt.Obj("allowedUses", pt.Arr()), "caPrivateKeyPem: "},
	}
	c, _ := serve(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c.ExpectFailure(t, pt.URN(tt.typ, "x"), tt.in, tt.want)
		})
	}
}

func TestErrorsQuoteNoKey(t *testing.T) {
	t.Parallel()
	c, _ := serve(t)
	const canary = "c2VjcmV0IGNhbmFyeQ=="
	inputs := selfSigned(t, c, true)
	for _, bad := range []string{canary, "-----BEGIN PRIVATE KEY-----\n" + canary + "\n-----END PRIVATE KEY-----\n"} {
		inputs["privateKeyPem"] = pt.Secret(bad)
		_, err := c.Create(t.Context(), pt.URN(selfType, "x"), inputs)
		if err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("err = %v", err)
		}
	}
}
