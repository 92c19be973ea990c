package tls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"golang.org/x/crypto/ssh"

	pt "github.com/meshwright/meshwright/internal/provider/providertest"
)

func TestPrivateKey(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		inputs   resource.PropertyMap
		pemType  string
		bits     int
		openSSH  bool
		curve    string
		rsaShown float64
	}{
		"RSA by default":   {pt.Obj("algorithm", "RSA"), "RSA PRIVATE KEY", 2048, true, "P224", 2048},
		"RSA 3072":         {pt.Obj("algorithm", "RSA", "rsaBits", 3072.0), "RSA PRIVATE KEY", 3072, true, "P224", 3072},
		"ECDSA by default": {pt.Obj("algorithm", "ECDSA"), "EC PRIVATE KEY", 224, false, "P224", 2048},
		"ECDSA P384":       {pt.Obj("algorithm", "ECDSA", "ecdsaCurve", "P384"), "EC PRIVATE KEY", 384, true, "P384", 2048},
		"ED25519":          {pt.Obj("algorithm", "ED25519"), "PRIVATE KEY", 256, true, "P224", 2048},
	}
	c, _ := serve(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := c.MustCreate(pt.URN(keyType, "k"), tt.inputs)
			text := reveal(t, r.Outputs["privateKeyPem"])
			if block, _ := pem.Decode([]byte(text)); block == nil || block.Type != tt.pemType {
				t.Errorf("PEM type of %T", block)
			}
			key, _, err := parseKey(text)
			if err != nil {
				t.Fatal(err)
			}
			if bits := keyBits(key.Public()); bits != tt.bits {
				t.Errorf("%d bits", bits)
			}
			again, _, err := parseKey(reveal(t, r.Outputs["privateKeyPemPkcs8"]))
			if err != nil || !same(key.Public(), again.Public()) {
				t.Errorf("PKCS #8 holds another key: %v", err)
			}
			block, _ := pem.Decode([]byte(r.Outputs["publicKeyPem"].StringValue()))
			public, err := x509.ParsePKIXPublicKey(block.Bytes)
			if err != nil || !same(key.Public(), public) {
				t.Errorf("the public key is another one: %v", err)
			}
			if len(r.ID) != 40 {
				t.Errorf("id = %s", r.ID)
			}
			openSSH := reveal(t, r.Outputs["privateKeyOpenssh"])
			if !tt.openSSH {
				if openSSH != "" || r.Outputs["publicKeyOpenssh"].StringValue() != "" {
					t.Error("OpenSSH fields are set")
				}
			} else {
				signer, err := ssh.ParsePrivateKey([]byte(openSSH))
				if err != nil {
					t.Fatal(err)
				}
				if got := r.Outputs["publicKeyOpenssh"].StringValue(); got != string(ssh.MarshalAuthorizedKey(signer.PublicKey())) {
					t.Errorf("publicKeyOpenssh = %q", got)
				}
				if got := r.Outputs["publicKeyFingerprintSha256"].StringValue(); got != ssh.FingerprintSHA256(signer.PublicKey()) {
					t.Errorf("fingerprint = %q", got)
				}
			}
			if r.Outputs["ecdsaCurve"].StringValue() != tt.curve || r.Outputs["rsaBits"].NumberValue() != tt.rsaShown {
				t.Errorf("defaults: %v, %v", r.Outputs["ecdsaCurve"], r.Outputs["rsaBits"])
			}
			// Spelling a default out is no change; anything else replaces.
			spelled := tt.inputs.Copy()
			spelled["ecdsaCurve"] = r.Outputs["ecdsaCurve"]
			if d := c.Diff(r, spelled); d.GetChanges() != pulumirpc.DiffResponse_DIFF_NONE {
				t.Errorf("diff = %v", d)
			}
			spelled["ecdsaCurve"] = str("P521")
			if d := c.Diff(r, spelled); !slices.Equal(d.GetReplaces(), []string{"ecdsaCurve"}) {
				t.Errorf("diff = %v", d)
			}
		})
	}
}

func keyBits(key crypto.PublicKey) int {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen()
	case *ecdsa.PublicKey:
		return k.Params().BitSize
	}
	return 256
}

func same(a, b crypto.PublicKey) bool {
	return a.(interface{ Equal(crypto.PublicKey) bool }).Equal(b)
}
