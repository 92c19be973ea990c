package peering

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"
)

func encode(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func TestKubeconfigIsOneThatIstiodCanUse(t *testing.T) {
	encoded, err := encodedKubeconfig("cluster2", "https://lab-cluster2-control-plane:6443", map[string]string{
		"token": encode("a token"), "ca.crt": encode("a certificate"),
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.Load(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := clientcmd.Validate(*config); err != nil {
		t.Error(err)
	}
	current := config.Contexts[config.CurrentContext]
	got := []string{
		config.Clusters[current.Cluster].Server,
		string(config.Clusters[current.Cluster].CertificateAuthorityData),
		config.AuthInfos[current.AuthInfo].Token,
	}
	want := []string{"https://lab-cluster2-control-plane:6443", "a certificate", "a token"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestIncompleteCredentialsAreRefused(t *testing.T) {
	for name, data := range map[string]map[string]string{
		"no token":            {"ca.crt": encode("a certificate")},
		"empty token":         {"token": "", "ca.crt": encode("a certificate")},
		"no certificate":      {"token": encode("a token")},
		"token is not base64": {"token": "~private~", "ca.crt": encode("a certificate")},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := encodedKubeconfig("cluster2", "https://x:6443", data)
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), "cluster2") || strings.Contains(err.Error(), "private") {
				t.Errorf("%q: must name the cluster and no secret", err)
			}
		})
	}
}
