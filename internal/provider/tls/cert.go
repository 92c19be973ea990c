package tls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // RFC 5280 section 4.2.1.2 (1) makes key identifiers with it
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/meshwright/meshwright/internal/provider"
)

var keyUsages = map[string]x509.KeyUsage{
	"digital_signature":  x509.KeyUsageDigitalSignature,
	"content_commitment": x509.KeyUsageContentCommitment,
	"key_encipherment":   x509.KeyUsageKeyEncipherment,
	"data_encipherment":  x509.KeyUsageDataEncipherment,
	"key_agreement":      x509.KeyUsageKeyAgreement,
	"cert_signing":       x509.KeyUsageCertSign,
	"crl_signing":        x509.KeyUsageCRLSign,
	"encipher_only":      x509.KeyUsageEncipherOnly,
	"decipher_only":      x509.KeyUsageDecipherOnly,
}

var extKeyUsages = map[string]x509.ExtKeyUsage{
	"any_extended":                      x509.ExtKeyUsageAny,
	"server_auth":                       x509.ExtKeyUsageServerAuth,
	"client_auth":                       x509.ExtKeyUsageClientAuth,
	"code_signing":                      x509.ExtKeyUsageCodeSigning,
	"email_protection":                  x509.ExtKeyUsageEmailProtection,
	"ipsec_end_system":                  x509.ExtKeyUsageIPSECEndSystem,
	"ipsec_tunnel":                      x509.ExtKeyUsageIPSECTunnel,
	"ipsec_user":                        x509.ExtKeyUsageIPSECUser,
	"timestamping":                      x509.ExtKeyUsageTimeStamping,
	"ocsp_signing":                      x509.ExtKeyUsageOCSPSigning,
	"microsoft_server_gated_crypto":     x509.ExtKeyUsageMicrosoftServerGatedCrypto,
	"netscape_server_gated_crypto":      x509.ExtKeyUsageNetscapeServerGatedCrypto,
	"microsoft_commercial_code_signing": x509.ExtKeyUsageMicrosoftCommercialCodeSigning,
	"microsoft_kernel_code_signing":     x509.ExtKeyUsageMicrosoftKernelCodeSigning,
}

// subject is a distinguished name.
type subject struct {
	CommonName         string   `json:"commonName"`
	Country            string   `json:"country"`
	EmailAddress       string   `json:"emailAddress"`
	Locality           string   `json:"locality"`
	Organization       string   `json:"organization"`
	OrganizationalUnit string   `json:"organizationalUnit"`
	PostalCode         string   `json:"postalCode"`
	Province           string   `json:"province"`
	SerialNumber       string   `json:"serialNumber"`
	StreetAddresses    []string `json:"streetAddresses"`
}

// oidEmailAddress is that of PKCS #9 (RFC 2985), an IA5String.
var oidEmailAddress = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}

func (s *subject) name() pkix.Name {
	if s == nil {
		return pkix.Name{}
	}
	one := func(v string) []string {
		if v == "" {
			return nil
		}
		return []string{v}
	}
	name := pkix.Name{
		CommonName: s.CommonName, SerialNumber: s.SerialNumber, Country: one(s.Country), Locality: one(s.Locality),
		Organization: one(s.Organization), OrganizationalUnit: one(s.OrganizationalUnit), PostalCode: one(s.PostalCode),
		Province: one(s.Province), StreetAddress: s.StreetAddresses,
	}
	if s.EmailAddress != "" {
		name.ExtraNames = []pkix.AttributeTypeAndValue{{
			Type: oidEmailAddress, Value: asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte(s.EmailAddress)},
		}}
	}
	return name
}

func (s *subject) empty() bool { return len(s.name().ToRDNSequence()) == 0 }

// names are the subject and its alternatives.
type names struct {
	Subject     *subject `json:"subject"`
	DNSNames    []string `json:"dnsNames"`
	IPAddresses []string `json:"ipAddresses"`
	URIs        []string `json:"uris"`
}

func (n names) check(c *provider.Checker) {
	_, err := n.ips()
	c.Need(err == nil, "ipAddresses", "%v", err)
	_, err = n.uris()
	c.Need(err == nil, "uris", "%v", err)
}

func (n names) ips() ([]net.IP, error) {
	var out []net.IP
	for _, s := range n.IPAddresses {
		ip := net.ParseIP(s)
		if ip == nil {
			return nil, fmt.Errorf("%q is no IP address", s)
		}
		out = append(out, ip)
	}
	return out, nil
}

func (n names) uris() ([]*url.URL, error) {
	var out []*url.URL
	for _, s := range n.URIs {
		u, err := url.Parse(s)
		if err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, nil
}

// template is a certificate of these names.
func (n names) template() (*x509.Certificate, error) {
	ips, err := n.ips()
	if err != nil {
		return nil, err
	}
	uris, err := n.uris()
	return &x509.Certificate{Subject: n.Subject.name(), DNSNames: n.DNSNames, IPAddresses: ips, URIs: uris}, err
}

// validity is what every certificate is told about its use and time.
type validity struct {
	AllowedUses         []string `json:"allowedUses"`
	EarlyRenewalHours   int      `json:"earlyRenewalHours"`
	IsCA                bool     `json:"isCaCertificate"`
	MaxPathLength       *int     `json:"maxPathLength"`
	SetSubjectKeyID     bool     `json:"setSubjectKeyId"`
	ValidityPeriodHours int      `json:"validityPeriodHours"`
}

func (v validity) check(c *provider.Checker) {
	all := slices.Sorted(maps.Keys(keyUsages))
	all = append(all, slices.Collect(maps.Keys(extKeyUsages))...)
	slices.Sort(all)
	for i, use := range v.AllowedUses {
		if !slices.Contains(all, use) && !c.Unknown(fmt.Sprintf("allowedUses[%d]", i)) {
			c.Fail("allowedUses", "%q is none of %s", use, strings.Join(all, ", "))
		}
	}
	c.Need(v.EarlyRenewalHours >= 0, "earlyRenewalHours", "it cannot be negative")
	c.Need(v.ValidityPeriodHours >= 0, "validityPeriodHours", "it cannot be negative")
	c.Need(v.MaxPathLength == nil || *v.MaxPathLength >= -1, "maxPathLength", "it cannot be below -1, which sets no limit")
}

// issue signs the template and returns the certificate's ID, its serial number,
// and the outputs that all certificates have.
func (v validity) issue(now time.Time, template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) (string, resource.PropertyMap, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
	if err != nil {
		return "", nil, err
	}
	template.SerialNumber = serial
	template.NotBefore = now
	template.NotAfter = now.Add(time.Duration(v.ValidityPeriodHours) * time.Hour)
	template.BasicConstraintsValid = true
	template.IsCA = v.IsCA
	if v.MaxPathLength != nil {
		template.MaxPathLen = *v.MaxPathLength // 0 is none to crypto/x509 as well, without MaxPathLenZero
	}
	for _, use := range v.AllowedUses {
		if usage, ok := keyUsages[use]; ok {
			template.KeyUsage |= usage
		} else {
			template.ExtKeyUsage = append(template.ExtKeyUsage, extKeyUsages[use])
		}
	}
	if v.IsCA || v.SetSubjectKeyID {
		if template.SubjectKeyId, err = keyID(public); err != nil {
			return "", nil, err
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return "", nil, err
	}
	return serial.String(), resource.PropertyMap{
		"certPem":           pemText("CERTIFICATE", der),
		"validityStartTime": str(template.NotBefore.Format(time.RFC3339Nano)),
		"validityEndTime":   str(template.NotAfter.Format(time.RFC3339Nano)),
	}, nil
}

// keyID is the SHA-1 of the subject's public key: RFC 5280 section 4.2.1.2,
// method 1, except that an Ed25519 key is hashed as an ASN.1 octet string, as
// the official provider does.
func keyID(public crypto.PublicKey) ([]byte, error) {
	var raw []byte
	var err error
	switch key := public.(type) {
	case *rsa.PublicKey:
		raw = x509.MarshalPKCS1PublicKey(key)
	case *ecdsa.PublicKey:
		raw, err = key.Bytes()
	case ed25519.PublicKey:
		raw, err = asn1.Marshal([]byte(key))
	default:
		err = fmt.Errorf("a public key of type %T is not supported", public)
	}
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum(raw) //nolint:gosec // see the import
	return sum[:], nil
}

type selfSignedCert struct {
	names
	validity
	PrivateKeyPem     string `json:"privateKeyPem"`
	SetAuthorityKeyID bool   `json:"setAuthorityKeyId"`
}

func (s *selfSignedCert) check(c *provider.Checker) {
	s.names.check(c)
	s.validity.check(c)
	c.Need(!s.IsCA || !s.Subject.empty(), "subject", "a certificate authority must have at least one distinguished name")
}

func (s *selfSignedCert) make(now time.Time) (string, resource.PropertyMap, error) {
	key, algorithm, err := parseKey(s.PrivateKeyPem)
	if err != nil {
		return "", nil, err
	}
	template, err := s.template()
	if err != nil {
		return "", nil, err
	}
	if s.SetAuthorityKeyID {
		// Its own key signs it, so both identifiers are one, and it needs the first.
		if !s.IsCA && !s.SetSubjectKeyID {
			return "", nil, errors.New("setAuthorityKeyId needs setSubjectKeyId or isCaCertificate")
		}
		if template.AuthorityKeyId, err = keyID(key.Public()); err != nil {
			return "", nil, err
		}
	}
	id, out, err := s.issue(now, template, template, key.Public(), key)
	if err != nil {
		return "", nil, err
	}
	out["keyAlgorithm"] = str(algorithm)
	return id, out, nil
}

type certRequest struct {
	names
	PrivateKeyPem string `json:"privateKeyPem"`
}

func (c *certRequest) make(time.Time) (string, resource.PropertyMap, error) {
	key, algorithm, err := parseKey(c.PrivateKeyPem)
	if err != nil {
		return "", nil, err
	}
	t, err := c.template()
	if err != nil {
		return "", nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: t.Subject, DNSNames: t.DNSNames, IPAddresses: t.IPAddresses, URIs: t.URIs,
	}, key)
	if err != nil {
		return "", nil, err
	}
	return sha1Hex(der), resource.PropertyMap{
		"certRequestPem": pemText("CERTIFICATE REQUEST", der), "keyAlgorithm": str(algorithm),
	}, nil
}

type locallySignedCert struct {
	validity
	CACertPem       string `json:"caCertPem"`
	CAPrivateKeyPem string `json:"caPrivateKeyPem"`
	CertRequestPem  string `json:"certRequestPem"`
}

func (c *locallySignedCert) make(now time.Time) (string, resource.PropertyMap, error) {
	der, err := decodePEM("certRequestPem", c.CertRequestPem, "CERTIFICATE REQUEST")
	if err != nil {
		return "", nil, err
	}
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return "", nil, fmt.Errorf("certRequestPem: %w", err)
	}
	if der, err = decodePEM("caCertPem", c.CACertPem, "CERTIFICATE"); err != nil {
		return "", nil, err
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		return "", nil, fmt.Errorf("caCertPem: %w", err)
	}
	key, algorithm, err := parseKey(c.CAPrivateKeyPem)
	if err != nil {
		return "", nil, fmt.Errorf("caPrivateKeyPem: %w", err)
	}
	if c.IsCA && len(request.Subject.ToRDNSequence()) == 0 {
		return "", nil, errors.New("a certificate authority must have at least one distinguished name in its request")
	}
	template := &x509.Certificate{
		Subject: request.Subject, DNSNames: request.DNSNames, IPAddresses: request.IPAddresses, URIs: request.URIs,
	}
	id, out, err := c.issue(now, template, ca, request.PublicKey, key)
	if err != nil {
		return "", nil, err
	}
	out["caKeyAlgorithm"] = str(algorithm)
	return id, out, nil
}

func decodePEM(property, text, want string) ([]byte, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, fmt.Errorf("%s: it is not PEM", property)
	}
	if block.Type != want {
		return nil, fmt.Errorf("%s: its PEM type is %q, not %q", property, block.Type, want)
	}
	return block.Bytes, nil
}
