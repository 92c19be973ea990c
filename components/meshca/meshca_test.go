package meshca_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"strings"
	"testing"

	"github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/components/meshca"
	"github.com/meshwright/meshwright/internal/testkit/clitest"
)

func TestMain(m *testing.M) {
	clitest.Serve(map[string]pulumi.RunFunc{"trust": program})
	os.Exit(m.Run())
}

// program makes two regions trust each other.
func program(ctx *pulumi.Context) error {
	provider, err := tls.NewProvider(ctx, "tls", nil)
	if err != nil {
		return err
	}
	with := pulumi.Provider(provider)
	root, err := meshca.NewRootCA(ctx, "root", &meshca.RootCAArgs{CommonName: "Root CA"}, with)
	if err != nil {
		return err
	}
	ctx.Export("root", root.CertPEM)
	for _, region := range []string{"north", "south"} {
		ca, err := meshca.NewIntermediateCA(ctx, region, &meshca.IntermediateCAArgs{CommonName: region, Root: root}, with)
		if err != nil {
			return err
		}
		ctx.Export("cacerts-"+region, ca.CACerts())
	}
	return nil
}

// TestLife lives the components' life with the pulumi command and the providers'
// twins: the chains verify, nothing changes by itself, and the keys are secrets.
func TestLife(t *testing.T) {
	cli := clitest.Project(t, "trust", "tls")
	cli.Run(t, "stack", "init", "dev")
	cli.Run(t, "up", "--yes", "--skip-preview")
	cli.Run(t, "preview", "--expect-no-changes")

	if shown := cli.Run(t, "stack", "output", "--json"); strings.Contains(shown, "ca-key.pem") {
		t.Errorf("a private key is shown unasked:\n%s", shown)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(cli.Run(t, "stack", "output", "root"))) {
		t.Fatal("the root is no certificate")
	}
	for _, region := range []string{"north", "south"} {
		var data map[string]string
		if err := json.Unmarshal([]byte(cli.Run(t, "stack", "output", "cacerts-"+region, "--show-secrets", "--json")), &data); err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(decode(t, data["ca-cert.pem"]))
		if block == nil {
			t.Fatalf("%s: no certificate", region)
		}
		ca, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ca.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil || !ca.IsCA {
			t.Errorf("%s: CA %v, %v", region, ca.IsCA, err)
		}
		if key := decode(t, data["ca-key.pem"]); !strings.Contains(string(key), "PRIVATE KEY") {
			t.Errorf("%s: no private key", region)
		}
	}
	cli.Run(t, "destroy", "--yes", "--skip-preview")
	cli.Run(t, "stack", "rm", "--yes")
}

func decode(t *testing.T, text string) []byte {
	t.Helper()
	out, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
