package mesh

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// certificate is one that signs itself, in PEM.
func certificate(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func secrets(chain, roots []byte) string {
	return fmt.Sprintf(`{"configs": [
 {"name": "default", "secret": {"tls_certificate": {"certificate_chain": {"inline_bytes": %q}}}},
 {"name": "ROOTCA", "secret": {"validation_context": {"trusted_ca": {"inline_bytes": %q}}}}]}`,
		base64.StdEncoding.EncodeToString(chain), base64.StdEncoding.EncodeToString(roots))
}

func TestParseIdentity(t *testing.T) {
	one := certificate(t)
	id, err := ParseIdentity([]byte(secrets(append(bytes.Clone(one), one...), one)))
	if err != nil || len(id.Chain) != 2 || len(id.Roots) != 1 {
		t.Errorf("identity %+v, %v", id, err)
	}
	cases := map[string]struct {
		dump   string
		absent bool
	}{
		"no JSON":      {"upstream connect error", false},
		"no secrets":   {`{"configs": []}`, true},
		"no roots":     {secrets(one, nil), true},
		"no chain":     {secrets(nil, one), true},
		"broken chain": {secrets([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), one), false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := ParseIdentity([]byte(c.dump))
			if err == nil || errors.Is(err, ErrNoSecret) != c.absent {
				t.Errorf("error %v", err)
			}
		})
	}
}

// clusters is what Envoy 1.40 answers, with one open connection.
const clusters = `{"cluster_statuses": [{"name": "prometheus_stats"},
 {"name": "outbound|5000||helloworld.sample.svc.cluster.local", "host_statuses": [
  {"address": {"socket_address": {"address": "10.10.0.7", "port_value": 5000}},
   "stats": [{"name": "cx_connect_fail"}, {"value": "1", "name": "cx_total"}, {"name": "rq_error"}, {"value": "18446744073709551615", "name": "rq_total"},
    {"type": "GAUGE", "value": "1", "name": "cx_active"}],
   "health_status": {"eds_health_status": "HEALTHY"}, "weight": 1, "locality": {"region": "region1"}}]}]}`

func TestHostStats(t *testing.T) {
	w := Workload{Namespace: "sample", Service: "helloworld", Port: 5000}
	got, err := ParseHostStats([]byte(clusters), w.Outbound())
	want := map[string]HostStats{"10.10.0.7:5000": {Requests: 18446744073709551615, Connections: 1, Open: 1}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v; -want +got:\n%s", err, diff)
	}
	if _, err := ParseHostStats([]byte(strings.ReplaceAll(clusters, "18446744073709551615", "many")), w.Outbound()); err == nil {
		t.Error("a counter that is not a number was read")
	}
}
