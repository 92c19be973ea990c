// Command components is a Pulumi program of its own that uses one of Meshwright's
// components and nothing else of it: a root CA and an intermediate per region,
// as a mesh's control planes take them, for clusters that somebody else runs.
package main

import (
	"github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/components/meshca"
)

func main() { pulumi.Run(program) }

func program(ctx *pulumi.Context) error {
	provider, err := tls.NewProvider(ctx, "tls", nil)
	if err != nil {
		return err
	}
	with := pulumi.Provider(provider)
	root, err := meshca.NewRootCA(ctx, "root", &meshca.RootCAArgs{CommonName: "Root CA of the shop"}, with)
	if err != nil {
		return err
	}
	ctx.Export("root", root.CertPEM)
	for _, region := range []string{"north", "south"} {
		ca, err := meshca.NewIntermediateCA(ctx, region, &meshca.IntermediateCAArgs{
			CommonName: "Intermediate CA of " + region, Root: root,
		}, with)
		if err != nil {
			return err
		}
		// The data of the secret istio-system/cacerts, private key included: a secret.
		ctx.Export("cacerts-"+region, ca.CACerts())
	}
	return nil
}
