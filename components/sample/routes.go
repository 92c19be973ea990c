package sample

import (
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiextensions"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/internal/component"
)

const (
	networkingAPI = "networking.istio.io/v1"
	gatewayName   = "helloworld-gateway"
)

// Routes is the way to the sample for a control plane's proxies: "/hello" on the
// ingress gateways, and later the rules of regional traffic. It lives in primaries
// alone, since a remote's proxies take their configuration from their primary.
type Routes struct {
	pulumi.ResourceState
}

// RoutesArgs describes the routes.
type RoutesArgs struct {
	// Namespace of the sample; it must be there.
	Namespace string
}

// NewRoutes registers the routes. They pass through istiod's webhook, so opts must
// make them depend on the control plane, and bring the cluster's provider.
func NewRoutes(ctx *pulumi.Context, name string, args *RoutesArgs, opts ...pulumi.ResourceOption) (*Routes, error) {
	r := &Routes{}
	if err := ctx.RegisterComponentResource("meshwright:sample:Routes", name, r, opts...); err != nil {
		return nil, err
	}
	_, err := networking(ctx, name+"-gateway", "Gateway", gatewayName, args.Namespace, pulumi.Map{
		"selector": pulumi.StringMap{"istio": pulumi.String("ingressgateway")},
		"servers": pulumi.Array{pulumi.Map{
			"port": pulumi.Map{
				"number": pulumi.Int(80), "name": pulumi.String("http"), "protocol": pulumi.String("HTTP"),
			},
			"hosts": pulumi.ToStringArray([]string{"*"}),
		}},
	}, pulumi.Parent(r))
	if err != nil {
		return nil, err
	}
	_, err = networking(ctx, name+"-routes", "VirtualService", Service, args.Namespace, pulumi.Map{
		"hosts":    pulumi.ToStringArray([]string{"*"}),
		"gateways": pulumi.ToStringArray([]string{gatewayName}),
		"http": pulumi.Array{pulumi.Map{
			"match": pulumi.Array{pulumi.Map{"uri": pulumi.Map{"exact": pulumi.String(Path)}}},
			"route": pulumi.Array{pulumi.Map{"destination": pulumi.Map{
				"host": pulumi.String(Service), "port": pulumi.Map{"number": pulumi.Int(Port)},
			}}},
		}},
	}, pulumi.Parent(r))
	if err != nil {
		return nil, err
	}
	component.Outputs(ctx, r, pulumi.Map{})
	return r, nil
}

func networking(ctx *pulumi.Context, name, kind, object, namespace string, spec pulumi.Map, opts ...pulumi.ResourceOption) (*apiextensions.CustomResource, error) {
	return apiextensions.NewCustomResource(ctx, name, &apiextensions.CustomResourceArgs{
		ApiVersion: pulumi.String(networkingAPI), Kind: pulumi.String(kind),
		Metadata:    metav1.ObjectMetaArgs{Name: pulumi.String(object), Namespace: pulumi.String(namespace)},
		OtherFields: kubernetes.UntypedArgs{"spec": spec},
	}, opts...)
}
