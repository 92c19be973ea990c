package tls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the official provider's IDs are SHA-1; it protects nothing
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"golang.org/x/crypto/ssh"

	"github.com/meshwright/meshwright/internal/provider"
)

type privateKey struct {
	Algorithm  string `json:"algorithm"`
	EcdsaCurve string `json:"ecdsaCurve"`
	RsaBits    int    `json:"rsaBits"`
}

var curves = map[string]elliptic.Curve{
	"P224": elliptic.P224(), "P256": elliptic.P256(), "P384": elliptic.P384(), "P521": elliptic.P521(),
}

func (k *privateKey) check(c *provider.Checker) {
	c.Need(slices.Contains([]string{"RSA", "ECDSA", "ED25519"}, k.Algorithm), "algorithm", "%q is none of RSA, ECDSA, ED25519", k.Algorithm)
	c.Need(k.EcdsaCurve == "" || curves[k.EcdsaCurve] != nil, "ecdsaCurve",
		"%q is none of %s", k.EcdsaCurve, strings.Join(slices.Sorted(maps.Keys(curves)), ", "))
}

func (k *privateKey) generate() (crypto.Signer, error) {
	switch k.Algorithm {
	case "RSA":
		return rsa.GenerateKey(rand.Reader, k.RsaBits)
	case "ECDSA":
		return ecdsa.GenerateKey(curves[k.EcdsaCurve], rand.Reader)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return key, err
}

// encode returns the key as PKCS #8 and in the form that its algorithm has, in PEM.
func encode(key crypto.Signer) (pkcs8, own resource.PropertyValue, err error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return pkcs8, own, err
	}
	pkcs8 = pemText("PRIVATE KEY", der)
	own = pkcs8
	switch key := key.(type) {
	case *rsa.PrivateKey:
		own = pemText("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
	case *ecdsa.PrivateKey:
		der, err = x509.MarshalECPrivateKey(key)
		own = pemText("EC PRIVATE KEY", der)
	}
	return pkcs8, own, err
}

func pemText(typ string, der []byte) resource.PropertyValue {
	return str(string(pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der})))
}

func (k *privateKey) make(time.Time) (string, resource.PropertyMap, error) {
	key, err := k.generate()
	if err != nil {
		return "", nil, fmt.Errorf("generate a %s key: %w", k.Algorithm, err)
	}
	pkcs8, own, err := encode(key)
	if err != nil {
		return "", nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", nil, err
	}
	out := resource.PropertyMap{
		"privateKeyPem": own, "privateKeyPemPkcs8": pkcs8, "publicKeyPem": pemText("PUBLIC KEY", public),
		// OpenSSH has no P224: these stay empty then.
		"privateKeyOpenssh": str(""), "publicKeyOpenssh": str(""),
		"publicKeyFingerprintMd5": str(""), "publicKeyFingerprintSha256": str(""),
	}
	if sshKey, err := ssh.NewPublicKey(key.Public()); err == nil {
		private, err := ssh.MarshalPrivateKey(key, "")
		if err != nil {
			return "", nil, err
		}
		out["privateKeyOpenssh"] = str(string(pem.EncodeToMemory(private)))
		out["publicKeyOpenssh"] = str(string(ssh.MarshalAuthorizedKey(sshKey)))
		out["publicKeyFingerprintMd5"] = str(ssh.FingerprintLegacyMD5(sshKey))
		out["publicKeyFingerprintSha256"] = str(ssh.FingerprintSHA256(sshKey))
	}
	return sha1Hex(public), out, nil
}

// sha1Hex is the official provider's ID of keys and requests.
func sha1Hex(b []byte) string {
	sum := sha1.Sum([]byte(strings.TrimSpace(string(b)))) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}

// parseKey reads a private key in PEM and names its algorithm. No error quotes
// any of it.
func parseKey(text string) (crypto.Signer, string, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, "", errors.New("the private key is not PEM")
	}
	var key any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	default:
		return nil, "", fmt.Errorf("the private key has the PEM type %q, which is none that is supported", block.Type)
	}
	if err != nil {
		return nil, "", fmt.Errorf("parse the private key: %w", err)
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return key, "RSA", nil
	case *ecdsa.PrivateKey:
		return key, "ECDSA", nil
	case ed25519.PrivateKey:
		return key, "ED25519", nil
	}
	return nil, "", fmt.Errorf("a private key of type %T is not supported", key)
}
