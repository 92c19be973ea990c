// Command regions is a separate Pulumi program, in its own module, that uses only the
// components of Meshwright. It creates one root CA and, in an existing cluster of each
// region, an istiod with an intermediate CA of that root.
package main

import (
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/components/artifacts"
	"github.com/meshwright/meshwright/components/istio"
	"github.com/meshwright/meshwright/components/meshca"
)

func main() { pulumi.Run(program) }

// regions are also the contexts in the user's kubeconfig.
var regions = []string{"north", "south"}

func program(ctx *pulumi.Context) error {
	certificates, err := tls.NewProvider(ctx, "tls", nil)
	if err != nil {
		return err
	}
	root, err := meshca.NewRootCA(ctx, "root", &meshca.RootCAArgs{
		CommonName: "Root CA of the shop",
	}, pulumi.Provider(certificates))
	if err != nil {
		return err
	}
	ctx.Export("root", root.CertPEM)
	for _, region := range regions {
		ca, err := meshca.NewIntermediateCA(ctx, region+"-ca", &meshca.IntermediateCAArgs{
			CommonName: "Intermediate CA of " + region, Root: root,
		}, pulumi.Provider(certificates))
		if err != nil {
			return err
		}
		cluster, err := kubernetes.NewProvider(ctx, region, &kubernetes.ProviderArgs{Context: pulumi.String(region)})
		if err != nil {
			return err
		}
		_, err = istio.NewControlPlane(ctx, region+"-istio", &istio.ControlPlaneArgs{
			Mesh:      istio.Mesh{ID: "shop", Cluster: region, Network: region},
			Artifacts: artifacts.Registry(),
			CACerts:   ca.CACerts(),
		}, pulumi.Provider(cluster))
		if err != nil {
			return err
		}
	}
	return nil
}
