package sample

import (
	"cmp"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/internal/component"
	"github.com/meshwright/meshwright/mesh/topology"
)

const (
	networkingAPI = "networking.istio.io/v1"
	securityAPI   = "security.istio.io/v1"
	gatewayName   = "helloworld-gateway"
)

// Routes configures a control plane's proxies for the sample: its path on the ingress
// gateways, the regional traffic rule and mutual TLS. It is in primaries only, because a
// remote's proxies get their configuration from their primary.
type Routes struct {
	pulumi.ResourceState
}

// RoutesArgs describes the routes.
type RoutesArgs struct {
	// Namespace of the sample, which must exist.
	Namespace string
	// Host is the sample's host on the ingress gateways; any host if it is empty. A
	// second sample in the mesh needs its own host.
	Host string
	// Traffic leaves the choice of endpoint to Istio if it is zero.
	Traffic topology.Rule
	// MTLS is the mode of mutual TLS, such as "STRICT"; the mesh's mode if it is empty.
	MTLS string
}

// NewRoutes registers the routes. istiod's webhook validates them, so opts must make them
// depend on the control plane, and bring the cluster's provider.
func NewRoutes(ctx *pulumi.Context, name string, args *RoutesArgs, opts ...pulumi.ResourceOption) (*Routes, error) {
	r := &Routes{}
	if err := ctx.RegisterComponentResource("meshwright:sample:Routes", name, r, opts...); err != nil {
		return nil, err
	}
	for _, o := range args.objects() {
		custom := component.Custom{APIVersion: o.api, Kind: o.kind, Namespace: args.Namespace, Name: o.name, Spec: o.spec}
		if _, err := custom.Register(ctx, name+"-"+o.role, pulumi.Parent(r)); err != nil {
			return nil, err
		}
	}
	component.Outputs(ctx, r, pulumi.Map{})
	return r, nil
}

// object is one of Istio's custom resources.
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
			// One for both would need a host that is valid for both, and the mesh rejects "*".
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

// FullName is the sample's fully qualified name, which clients in any namespace may use.
func FullName(namespace string) string {
	return fmt.Sprintf("%s.%s.svc.cluster.local", Service, namespace)
}

func (a *RoutesArgs) hosts() pulumi.StringArray {
	return pulumi.ToStringArray([]string{cmp.Or(a.Host, "*")})
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

// httpRule is one rule of a VirtualService. Empty fields are left out.
type httpRule struct {
	path, methods string
	retries       pulumi.Map
}

// http is the rule, once for each set of methods that the traffic rule tells apart.
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
