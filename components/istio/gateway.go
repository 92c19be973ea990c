package istio

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/components/artifacts"
	"github.com/meshwright/meshwright/internal/component"
	"github.com/meshwright/meshwright/internal/component/helmrelease"
)

// Names of the two gateways. The chart derives the label "istio", which a Gateway
// selects, from the name without "istio-".
const (
	IngressGateway  = "istio-ingressgateway"
	EastWestGateway = "istio-eastwestgateway"
)

// Gateway is an Envoy at the edge of a cluster with its own address.
type Gateway struct {
	pulumi.ResourceState

	// Address is the load balancer's, known at preview.
	Address pulumi.StringOutput `pulumi:"address"`

	// Release is complete when the gateway is ready and has its address.
	Release pulumi.Resource
}

// GatewayArgs describes a gateway.
type GatewayArgs struct {
	// Name is IngressGateway or EastWestGateway.
	Name string
	// Address to request from the load balancer.
	Address string
	// NetworkGateway makes it the gateway to that network: the chart then opens the
	// ports of cross-network traffic instead of 80 and 443.
	NetworkGateway string
	// Injected is ControlPlane.Injected. The gateway rolls out again when it changes.
	Injected  string
	Artifacts *artifacts.Set
}

// NewGateway registers a gateway. The injection webhook completes its pod, so opts must
// make it depend on the control plane, and bring the cluster's provider.
func NewGateway(ctx *pulumi.Context, name string, args *GatewayArgs, opts ...pulumi.ResourceOption) (*Gateway, error) {
	g := &Gateway{}
	if err := ctx.RegisterComponentResource("meshwright:istio:Gateway", name, g, opts...); err != nil {
		return nil, err
	}
	chart, err := args.Artifacts.Chart("gateway")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	g.Release, err = helmrelease.New(ctx, name+"-release", &helmrelease.Args{
		Name: args.Name, Namespace: Namespace, Chart: chart, Values: gatewayValues(args),
	}, pulumi.Parent(g))
	if err != nil {
		return nil, err
	}
	g.Address = pulumi.String(args.Address).ToStringOutput()
	component.Outputs(ctx, g, pulumi.Map{"address": g.Address})
	return g, nil
}
