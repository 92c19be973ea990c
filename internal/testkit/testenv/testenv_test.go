package testenv_test

import (
	"context"
	"testing"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/meshwright/meshwright/internal/testkit/testenv"
)

func TestStart(t *testing.T) {
	testenv.Need(t)
	server, err := testenv.Start(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	cfg, err := clientcmd.RESTConfigFromKubeConfig([]byte(server.Kubeconfig))
	if err != nil {
		t.Fatal(err)
	}
	version, err := discovery.NewDiscoveryClientForConfigOrDie(cfg).ServerVersion()
	if err != nil || version.Major == "" {
		t.Fatalf("version %v, error %v", version, err)
	}
}
