package istio

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/internal/component"
)

// networkingAPI is the version of Istio's networking resources.
const networkingAPI = "networking.istio.io/v1"

// Exposure configures the east-west gateways of the clusters that a primary serves. It
// is in the primary only, because remotes have no Istio configuration of their own.
type Exposure struct {
	pulumi.ResourceState

	// Istiod is the resource that remotes depend on; nil if istiod is not exposed.
	Istiod pulumi.Resource
}

// ExposureArgs describes an exposure.
type ExposureArgs struct {
	// Services exposes every service of the mesh to other networks. Mutual TLS passes
	// through the gateway to the workload.
	Services bool
	// Istiod exposes istiod and its injection webhook to remotes.
	Istiod bool
}

// NewExposure registers an exposure. istiod's webhook validates its resources, so opts
// must make it depend on the control plane, and bring the cluster's provider.
func NewExposure(ctx *pulumi.Context, name string, args *ExposureArgs, opts ...pulumi.ResourceOption) (*Exposure, error) {
	e := &Exposure{}
	if err := ctx.RegisterComponentResource("meshwright:istio:Exposure", name, e, opts...); err != nil {
		return nil, err
	}
	if args.Services {
		gateway := eastWestGateway("cross-network-gateway", server(15443, "tls", "AUTO_PASSTHROUGH", "*.local"))
		if _, err := gateway.Register(ctx, name+"-services", pulumi.Parent(e)); err != nil {
			return nil, err
		}
	}
	if args.Istiod {
		if err := e.istiod(ctx, name); err != nil {
			return nil, err
		}
	}
	component.Outputs(ctx, e, pulumi.Map{})
	return e, nil
}

// istiod exposes the ports of discovery and of the webhooks. TLS ends at istiod.
func (e *Exposure) istiod(ctx *pulumi.Context, name string) error {
	gateway, err := eastWestGateway(
		"istiod-gateway", server(15012, "tls-istiod", "PASSTHROUGH", "*"), server(15017, "tls-istiodwebhook", "PASSTHROUGH", "*"),
	).Register(ctx, name+"-istiod", pulumi.Parent(e))
	if err != nil {
		return err
	}
	e.Istiod, err = networking("VirtualService", "istiod-vs", pulumi.Map{
		"hosts":    pulumi.ToStringArray([]string{"*"}),
		"gateways": pulumi.ToStringArray([]string{"istiod-gateway"}),
		"tls":      pulumi.Array{toIstiod(15012, 15012), toIstiod(15017, 443)},
	}).Register(ctx, name+"-istiod-routes", pulumi.Parent(e), pulumi.DependsOn([]pulumi.Resource{gateway}))
	return err
}

// eastWestGateway configures the pods of the east-west gateways.
func eastWestGateway(object string, servers ...pulumi.Input) component.Custom {
	return networking("Gateway", object, pulumi.Map{
		"selector": pulumi.StringMap{"istio": pulumi.String("eastwestgateway")},
		"servers":  pulumi.Array(servers),
	})
}

func server(port int, name, mode, host string) pulumi.Map {
	return pulumi.Map{
		"port": pulumi.Map{
			"number": pulumi.Int(port), "name": pulumi.String(name), "protocol": pulumi.String("TLS"),
		},
		"tls":   pulumi.Map{"mode": pulumi.String(mode)},
		"hosts": pulumi.ToStringArray([]string{host}),
	}
}

func toIstiod(gatewayPort, servicePort int) pulumi.Map {
	return pulumi.Map{
		"match": pulumi.Array{pulumi.Map{
			"port": pulumi.Int(gatewayPort), "sniHosts": pulumi.ToStringArray([]string{"*"}),
		}},
		"route": pulumi.Array{pulumi.Map{"destination": pulumi.Map{
			"host": pulumi.String("istiod." + Namespace + ".svc.cluster.local"),
			"port": pulumi.Map{"number": pulumi.Int(servicePort)},
		}}},
	}
}

func networking(kind, object string, spec pulumi.Map) component.Custom {
	return component.Custom{APIVersion: networkingAPI, Kind: kind, Namespace: Namespace, Name: object, Spec: spec}
}
