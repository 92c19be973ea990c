package fault

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
)

// anotherRoot makes the victim's control plane sign with an intermediate of another
// root, and gives its proxies certificates of it.
var anotherRoot = Fault{
	Name:  "another-root",
	Title: "a cluster's control plane signs with another root",
	Needs: []Need{TwoPrimaries},
	at:    (*Subject).victim,
	steps: remembering[map[string][]byte]{
		Was: func(ctx context.Context, _ *Subject, at *member) (map[string][]byte, []string, error) {
			secret, err := at.Kubernetes.CoreV1().Secrets(system).Get(ctx, "cacerts", metav1.GetOptions{})
			if err != nil {
				return nil, nil, at.failed(err, "secret cacerts")
			}
			return secret.Data, []string{"secret " + system + "/cacerts"}, nil
		},
		Inject: func(ctx context.Context, s *Subject, at *member, _ map[string][]byte) error {
			bad, err := strangerCA()
			if err != nil {
				return err
			}
			return at.signWith(ctx, s, bad)
		},
		Restore: func(ctx context.Context, s *Subject, at *member, good map[string][]byte) error {
			return at.signWith(ctx, s, good)
		},
	},
}

// signWith replaces the CA of a control plane and renews everything that holds
// a certificate of the old one.
func (m *member) signWith(ctx context.Context, s *Subject, data map[string][]byte) error {
	secrets := m.Kubernetes.CoreV1().Secrets(system)
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		secret, err := secrets.Get(ctx, "cacerts", metav1.GetOptions{})
		if err != nil {
			return err
		}
		secret.Data = data
		_, err = secrets.Update(ctx, secret, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return m.failed(err, "secret cacerts")
	}
	if err := m.renew(ctx, system, istiodLabel); err != nil {
		return err
	}
	// A proxy verifies istiod by this map, which istiod writes after it starts.
	root := strings.TrimSpace(string(data["root-cert.pem"]))
	for _, namespace := range []string{system, s.Workload.Namespace} {
		err := m.until(ctx, "new root in configmap "+namespace+"/istio-ca-root-cert", func(ctx context.Context) (string, bool, error) {
			config, err := m.Kubernetes.CoreV1().ConfigMaps(namespace).Get(ctx, "istio-ca-root-cert", metav1.GetOptions{})
			if err != nil {
				return "", false, err
			}
			return "the old root", strings.TrimSpace(config.Data["root-cert.pem"]) == root, nil
		})
		if err != nil {
			return err
		}
	}
	return errors.Join(
		m.restart(ctx, s.Workload.Namespace, ""),
		m.restart(ctx, system, anyGateway),
		m.rolledOut(ctx, s.Workload.Namespace, ""),
		m.rolledOut(ctx, system, anyGateway),
		m.allReady(ctx, s.Workload.Namespace, ""),
		m.allReady(ctx, system, anyGateway),
	)
}

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
