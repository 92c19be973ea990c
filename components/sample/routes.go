package sample

import (
	"fmt"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiextensions"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/internal/component"
)

const (
	networkingAPI = "networking.istio.io/v1"
	securityAPI   = "security.istio.io/v1"
	gatewayName   = "helloworld-gateway"
)

// Routes is the way to the sample for a control plane's proxies: its path on the
// ingress gateways, and the rules of regional traffic and of encryption. It lives in
// primaries alone, since a remote's proxies take their configuration from their
// primary.
type Routes struct {
	pulumi.ResourceState
}

// RoutesArgs describes the routes.
type RoutesArgs struct {
	// Namespace of the sample; it must be there.
	Namespace string
	// Host is what the sample answers to on the ingress gateways; anything if it is
	// empty. They are shared: a second sample in the mesh needs a host of its own.
	Host string
	// Traffic leaves the choice of endpoint to Istio if it is zero.
	Traffic Traffic
	// MTLS is the mode of mutual TLS, such as "STRICT"; the mesh's own if it is empty.
	MTLS string
}

// NewRoutes registers the routes. They pass through istiod's webhook, so opts must
// make them depend on the control plane, and bring the cluster's provider.
func NewRoutes(ctx *pulumi.Context, name string, args *RoutesArgs, opts ...pulumi.ResourceOption) (*Routes, error) {
	r := &Routes{}
	if err := ctx.RegisterComponentResource("meshwright:sample:Routes", name, r, opts...); err != nil {
		return nil, err
	}
	for _, o := range args.objects() {
		_, err := apiextensions.NewCustomResource(ctx, name+"-"+o.role, &apiextensions.CustomResourceArgs{
			ApiVersion: pulumi.String(o.api), Kind: pulumi.String(o.kind),
			Metadata:    metav1.ObjectMetaArgs{Name: pulumi.String(o.name), Namespace: pulumi.String(args.Namespace)},
			OtherFields: kubernetes.UntypedArgs{"spec": o.spec},
		}, pulumi.Parent(r))
		if err != nil {
			return nil, err
		}
	}
	component.Outputs(ctx, r, pulumi.Map{})
	return r, nil
}

// object is one custom resource of Istio's.
type object struct {
	role, api, kind, name string
	spec                  pulumi.Map
}

func (a *RoutesArgs) objects() []object {
	objects := []object{
		{"gateway", networkingAPI, "Gateway", gatewayName, a.gateway()},
		{"routes", networkingAPI, "VirtualService", Service, pulumi.Map{
			"hosts":    a.hosts(),
			"gateways": pulumi.ToStringArray([]string{gatewayName}),
			"http":     a.http(httpRule{path: Path}),
		}},
	}
	host := FullName(a.Namespace)
	if a.Traffic.Regional() {
		objects = append(objects, object{"traffic", networkingAPI, "DestinationRule", Service, destinationRule(a.Traffic, host)})
		if tuning := tuningOf(a.Traffic); tuning.Retries || tuning.RetryRemote {
			// One for both would need a host that both know, and the mesh refuses "*".
			objects = append(objects, object{"mesh", networkingAPI, "VirtualService", Service + "-mesh", pulumi.Map{
				"hosts":    pulumi.ToStringArray([]string{host}),
				"gateways": pulumi.ToStringArray([]string{"mesh"}),
				"http":     a.http(httpRule{}),
			}})
		}
	}
	if a.MTLS != "" {
		objects = append(objects, object{"mtls", securityAPI, "PeerAuthentication", "default", pulumi.Map{
			"mtls": pulumi.Map{"mode": pulumi.String(a.MTLS)},
		}})
	}
	return objects
}

// FullName is the sample's name in the mesh, from whichever namespace it is called.
func FullName(namespace string) string {
	return fmt.Sprintf("%s.%s.svc.cluster.local", Service, namespace)
}

func (a *RoutesArgs) hosts() pulumi.StringArray {
	if a.Host == "" {
		return pulumi.ToStringArray([]string{"*"})
	}
	return pulumi.ToStringArray([]string{a.Host})
}

func (a *RoutesArgs) gateway() pulumi.Map {
	return pulumi.Map{
		"selector": pulumi.StringMap{"istio": pulumi.String("ingressgateway")},
		"servers": pulumi.Array{pulumi.Map{
			"port": pulumi.Map{
				"number": pulumi.Int(80), "name": pulumi.String("http"), "protocol": pulumi.String("HTTP"),
			},
			"hosts": a.hosts(),
		}},
	}
}

// httpRule is one rule of a VirtualService. What is empty is left out.
type httpRule struct {
	path, methods string
	retries       pulumi.Map
}

// http is the rule as often as the traffic rule wants it.
func (a *RoutesArgs) http(rule httpRule) pulumi.Array {
	var out pulumi.Array
	for _, r := range retried(a.Traffic, rule) {
		out = append(out, r.spec())
	}
	return out
}

func (r httpRule) spec() pulumi.Map {
	match := pulumi.Map{}
	if r.path != "" {
		match["uri"] = pulumi.Map{"exact": pulumi.String(r.path)}
	}
	if r.methods != "" {
		match["method"] = pulumi.Map{"regex": pulumi.String(r.methods)}
	}
	spec := pulumi.Map{
		"route": pulumi.Array{pulumi.Map{"destination": pulumi.Map{
			"host": pulumi.String(Service), "port": pulumi.Map{"number": pulumi.Int(Port)},
		}}},
	}
	if len(match) > 0 {
		spec["match"] = pulumi.Array{match}
	}
	if r.retries != nil {
		spec["retries"] = r.retries
	}
	return spec
}
