package istio

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/internal/artifacts"
	"github.com/meshwright/meshwright/internal/helmrelease"
)

// Releases of the two gateways. The chart derives the label "istio" from the name
// by dropping "istio-"; that label is what a Gateway selects.
const (
	IngressRelease  = "istio-ingressgateway"
	EastWestRelease = "istio-eastwestgateway"
)

// Gateway is an Envoy at the edge of a cluster, behind an address of its own.
type Gateway struct {
	pulumi.ResourceState

	// Address is the load balancer's, known at preview.
	Address pulumi.StringOutput `pulumi:"address"`
}

// GatewayArgs describes a gateway.
type GatewayArgs struct {
	// Release is IngressRelease or EastWestRelease.
	Release string
	// Address that the load balancer is asked for.
	Address string
	// NetworkGateway makes it the way into that network: the chart then opens the
	// ports of cross-network traffic instead of 80 and 443.
	NetworkGateway string
	Artifacts      *artifacts.Set
}

// NewGateway registers a gateway. Its pod is completed by the injection webhook,
// so opts must make it depend on the control plane, and bring the provider.
func NewGateway(ctx *pulumi.Context, name string, args *GatewayArgs, opts ...pulumi.ResourceOption) (*Gateway, error) {
	g := &Gateway{}
	if err := ctx.RegisterComponentResource("meshwright:istio:Gateway", name, g, opts...); err != nil {
		return nil, err
	}
	_, err := helmrelease.New(ctx, name+"-release", &helmrelease.Args{
		Name: args.Release, Namespace: Namespace, Chart: args.Artifacts.Charts["gateway"], Values: gatewayValues(args),
	}, pulumi.Parent(g))
	if err != nil {
		return nil, err
	}
	g.Address = pulumi.String(args.Address).ToStringOutput()
	return g, ctx.RegisterResourceOutputs(g, pulumi.Map{"address": g.Address})
}
