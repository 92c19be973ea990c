package meshca

import (
	"encoding/base64"

	"github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/internal/component"
)

// tenYears in hours.
const tenYears = 10 * 365 * 24

// IstiodHost is the DNS name in an intermediate's certificate: istiod's service.
const IstiodHost = "istiod.istio-system.svc"

const organization = "Meshwright"

// caUses are the key usages of a certificate authority.
var caUses = []string{"cert_signing", "crl_signing", "digital_signature"}

// RootCA is the root of the mesh's trust.
type RootCA struct {
	pulumi.ResourceState

	CertPEM pulumi.StringOutput `pulumi:"certPem"`

	keyPEM pulumi.StringOutput
}

// RootCAArgs describes a root.
type RootCAArgs struct {
	// CommonName of the certificate.
	CommonName string
}

// NewRootCA registers a root. opts must bring the TLS provider.
func NewRootCA(ctx *pulumi.Context, name string, args *RootCAArgs, opts ...pulumi.ResourceOption) (*RootCA, error) {
	r := &RootCA{}
	if err := ctx.RegisterComponentResource("meshwright:meshca:RootCA", name, r, opts...); err != nil {
		return nil, err
	}
	key, err := newKey(ctx, name+"-key", r)
	if err != nil {
		return nil, err
	}
	cert, err := tls.NewSelfSignedCert(ctx, name+"-cert", &tls.SelfSignedCertArgs{
		PrivateKeyPem: key.PrivateKeyPem,
		Subject: tls.SelfSignedCertSubjectArgs{
			CommonName: pulumi.String(args.CommonName), Organization: pulumi.String(organization),
		},
		IsCaCertificate: pulumi.Bool(true), SetSubjectKeyId: pulumi.Bool(true),
		AllowedUses:         pulumi.ToStringArray(caUses),
		ValidityPeriodHours: pulumi.Int(tenYears), EarlyRenewalHours: pulumi.Int(0),
	}, pulumi.Parent(r))
	if err != nil {
		return nil, err
	}
	r.CertPEM = cert.CertPem
	r.keyPEM = key.PrivateKeyPem
	component.Outputs(ctx, r, pulumi.Map{"certPem": r.CertPEM})
	return r, nil
}

// IntermediateCA is the CA with which one control plane signs workload certificates.
type IntermediateCA struct {
	pulumi.ResourceState

	CertPEM pulumi.StringOutput `pulumi:"certPem"`

	keyPEM, rootPEM pulumi.StringOutput
}

// IntermediateCAArgs describes an intermediate.
type IntermediateCAArgs struct {
	// CommonName of the certificate.
	CommonName string
	Root       *RootCA
}

// NewIntermediateCA registers an intermediate. opts must bring the TLS provider.
func NewIntermediateCA(ctx *pulumi.Context, name string, args *IntermediateCAArgs, opts ...pulumi.ResourceOption) (*IntermediateCA, error) {
	i := &IntermediateCA{}
	if err := ctx.RegisterComponentResource("meshwright:meshca:IntermediateCA", name, i, opts...); err != nil {
		return nil, err
	}
	key, err := newKey(ctx, name+"-key", i)
	if err != nil {
		return nil, err
	}
	request, err := tls.NewCertRequest(ctx, name+"-request", &tls.CertRequestArgs{
		PrivateKeyPem: key.PrivateKeyPem,
		Subject: tls.CertRequestSubjectArgs{
			CommonName: pulumi.String(args.CommonName), Organization: pulumi.String(organization),
		},
		DnsNames: pulumi.ToStringArray([]string{IstiodHost}),
	}, pulumi.Parent(i))
	if err != nil {
		return nil, err
	}
	cert, err := tls.NewLocallySignedCert(ctx, name+"-cert", &tls.LocallySignedCertArgs{
		CertRequestPem:  request.CertRequestPem,
		CaPrivateKeyPem: args.Root.keyPEM, CaCertPem: args.Root.CertPEM,
		IsCaCertificate: pulumi.Bool(true), SetSubjectKeyId: pulumi.Bool(true),
		AllowedUses:         pulumi.ToStringArray(caUses),
		ValidityPeriodHours: pulumi.Int(tenYears), EarlyRenewalHours: pulumi.Int(0),
	}, pulumi.Parent(i))
	if err != nil {
		return nil, err
	}
	i.CertPEM, i.keyPEM, i.rootPEM = cert.CertPem, key.PrivateKeyPem, args.Root.CertPEM
	component.Outputs(ctx, i, pulumi.Map{"certPem": i.CertPEM})
	return i, nil
}

// CACerts is the data of the secret "cacerts" from which istiod reads its CA: PEM in
// base64 by istiod's file names. The chain starts at the intermediate and ends at the
// root. The value is a Pulumi secret.
func (i *IntermediateCA) CACerts() pulumi.StringMapOutput {
	data := pulumi.All(i.CertPEM, i.keyPEM, i.rootPEM).ApplyT(func(pem []any) map[string]string {
		cert, key, root := pem[0].(string), pem[1].(string), pem[2].(string)
		return map[string]string{
			"ca-cert.pem":    encode(cert),
			"ca-key.pem":     encode(key),
			"root-cert.pem":  encode(root),
			"cert-chain.pem": encode(cert + root),
		}
	}).(pulumi.StringMapOutput)
	return pulumi.ToSecret(data).(pulumi.StringMapOutput)
}

func encode(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// newKey registers a private key. It is a secret, whatever the provider returns.
func newKey(ctx *pulumi.Context, name string, parent pulumi.Resource) (*tls.PrivateKey, error) {
	return tls.NewPrivateKey(ctx, name, &tls.PrivateKeyArgs{
		Algorithm: pulumi.String("ECDSA"), EcdsaCurve: pulumi.String("P256"),
	}, pulumi.Parent(parent), pulumi.AdditionalSecretOutputs([]string{"privateKeyPem", "privateKeyPemPkcs8", "privateKeyOpenssh"}))
}
