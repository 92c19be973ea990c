package main

import (
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/components/artifacts"
)

// engine records what is registered, and returns the outputs of providers that the
// program reads.
type engine struct {
	mu        sync.Mutex
	inputs    map[string]resource.PropertyMap // by name
	providers map[string]string               // of resources in clusters, by name
}

func (*engine) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return nil, errors.New("the components call no function")
}

func (e *engine) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.inputs[args.Name] = args.Inputs
	if strings.HasPrefix(args.TypeToken, "kubernetes:") {
		e.providers[args.Name] = args.RegisterRPC.GetProvider()
	}
	state := args.Inputs.Copy()
	switch args.TypeToken {
	case "tls:index/privateKey:PrivateKey":
		state["privateKeyPem"] = resource.MakeSecret(resource.NewStringProperty(args.Name))
	case "tls:index/certRequest:CertRequest":
		state["certRequestPem"] = resource.NewStringProperty(args.Name)
	case "tls:index/selfSignedCert:SelfSignedCert", "tls:index/locallySignedCert:LocallySignedCert":
		state["certPem"] = resource.NewStringProperty(args.Name + "\n")
	}
	return args.Name + "-id", state, nil
}

func TestProgram(t *testing.T) {
	e := &engine{inputs: map[string]resource.PropertyMap{}, providers: map[string]string{}}
	if err := pulumi.RunErr(program, pulumi.WithMocks("regions", "dev", e)); err != nil {
		t.Fatal(err)
	}
	for _, region := range regions {
		t.Run(region, func(t *testing.T) {
			for _, role := range []string{"base", "istiod"} {
				chart, got := artifacts.Registry().Charts[role], e.inputs[region+"-istio-"+role].Mappable()
				repo, _ := got["repositoryOpts"].(map[string]any)
				want := []any{chart.Name, chart.Version, chart.Repo}
				if diff := cmp.Diff(want, []any{got["chart"], got["version"], repo["repo"]}); diff != "" {
					t.Errorf("chart %s: %s", role, diff)
				}
			}
			global := e.inputs[region+"-istio-istiod"]["values"].ObjectValue()["global"].ObjectValue().Mappable()
			if diff := cmp.Diff([]any{map[string]any{"clusterName": region}, region}, []any{global["multiCluster"], global["network"]}); diff != "" {
				t.Errorf("istiod has another cluster's identity: %s", diff)
			}

			data := e.inputs[region+"-istio-cacerts"]["data"]
			if !data.IsSecret() {
				t.Fatal("a private key is not a secret")
			}
			chain := region + "-ca-cert\nroot-cert\n"
			for file, want := range map[string]string{
				"ca-key.pem": region + "-ca-key", "root-cert.pem": "root-cert\n", "cert-chain.pem": chain,
			} {
				got, err := base64.StdEncoding.DecodeString(data.SecretValue().Element.ObjectValue()[resource.PropertyKey(file)].StringValue())
				if err != nil || string(got) != want {
					t.Errorf("%s: %q, %v, want %q", file, got, err, want)
				}
			}

			for _, name := range []string{"namespace", "base", "cacerts", "istiod"} {
				if p := e.providers[region+"-istio-"+name]; !strings.Contains(p, "::"+region+"::") {
					t.Errorf("%s goes to %s", name, p)
				}
			}
		})
	}
}
