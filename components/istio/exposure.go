package istio

import (
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiextensions"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/internal/component"
)

// networkingAPI is the version of Istio's networking resources.
const networkingAPI = "networking.istio.io/v1"

// eastWest selects the pods of the east-west gateways.
var eastWest = pulumi.StringMap{"istio": pulumi.String("eastwestgateway")}

// Exposure is what a primary lets in through the east-west gateways of the clusters
// that it serves. It lives in the primary alone, since remotes have no configuration
// of their own.
type Exposure struct {
	pulumi.ResourceState

	// Istiod is what remotes wait for; nil where istiod is not exposed.
	Istiod pulumi.Resource
}

// ExposureArgs describes an exposure.
type ExposureArgs struct {
	// Services lets other networks reach every service of the mesh, by mutual TLS
	// that passes through the gateway to the workload.
	Services bool
	// Istiod lets remotes reach istiod and its injection webhook.
	Istiod bool
}

// NewExposure registers an exposure. Its resources pass through istiod's webhook,
// so opts must make it depend on the control plane, and bring the provider.
func NewExposure(ctx *pulumi.Context, name string, args *ExposureArgs, opts ...pulumi.ResourceOption) (*Exposure, error) {
	e := &Exposure{}
	if err := ctx.RegisterComponentResource("meshwright:istio:Exposure", name, e, opts...); err != nil {
		return nil, err
	}
	if args.Services {
		if _, err := networking(ctx, name+"-services", "Gateway", "cross-network-gateway", pulumi.Map{
			"selector": eastWest,
			"servers": pulumi.Array{
				server(15443, "tls", "AUTO_PASSTHROUGH", "*.local"),
			},
		}, pulumi.Parent(e)); err != nil {
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

// istiod opens the ports of discovery and of the webhooks; TLS ends at istiod.
func (e *Exposure) istiod(ctx *pulumi.Context, name string) error {
	gateway, err := networking(ctx, name+"-istiod", "Gateway", "istiod-gateway", pulumi.Map{
		"selector": eastWest,
		"servers": pulumi.Array{
			server(15012, "tls-istiod", "PASSTHROUGH", "*"),
			server(15017, "tls-istiodwebhook", "PASSTHROUGH", "*"),
		},
	}, pulumi.Parent(e))
	if err != nil {
		return err
	}
	e.Istiod, err = networking(ctx, name+"-istiod-routes", "VirtualService", "istiod-vs", pulumi.Map{
		"hosts":    pulumi.ToStringArray([]string{"*"}),
		"gateways": pulumi.ToStringArray([]string{"istiod-gateway"}),
		"tls":      pulumi.Array{toIstiod(15012, 15012), toIstiod(15017, 443)},
	}, pulumi.Parent(e), pulumi.DependsOn([]pulumi.Resource{gateway}))
	return err
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

func networking(ctx *pulumi.Context, name, kind, object string, spec pulumi.Map, opts ...pulumi.ResourceOption) (*apiextensions.CustomResource, error) {
	return apiextensions.NewCustomResource(ctx, name, &apiextensions.CustomResourceArgs{
		ApiVersion: pulumi.String(networkingAPI), Kind: pulumi.String(kind),
		Metadata:    metav1.ObjectMetaArgs{Name: pulumi.String(object), Namespace: pulumi.String(Namespace)},
		OtherFields: kubernetes.UntypedArgs{"spec": spec},
	}, opts...)
}
