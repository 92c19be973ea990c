package fault

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// strangerCA makes the data of a complete cacerts secret that shares nothing
// with the mesh's: a root of its own and an intermediate.
func strangerCA() (map[string][]byte, error) {
	root, rootKey, err := authority("Stranger Root", nil, nil)
	if err != nil {
		return nil, err
	}
	between, key, err := authority("Stranger Intermediate", root, rootKey)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	ca, rootPEM := block("CERTIFICATE", between.Raw), block("CERTIFICATE", root.Raw)
	return map[string][]byte{
		"ca-cert.pem":    ca,
		"ca-key.pem":     block("PRIVATE KEY", der),
		"root-cert.pem":  rootPEM,
		"cert-chain.pem": slices.Concat(ca, rootPEM),
	}, nil
}

// authority makes a CA for a day; without a parent it signs itself.
func authority(name string, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name, Organization: []string{"Stranger"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	if parent == nil {
		parent, parentKey = template, key
	} else {
		template.DNSNames = []string{"istiod.istio-system.svc"}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate of %s: %w", name, err)
	}
	cert, err := x509.ParseCertificate(der)
	return cert, key, err
}
