package loadbalancer

import (
	"fmt"
	"strings"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/meshwright/meshwright/components/artifacts"
	"github.com/meshwright/meshwright/internal/component"
	"github.com/meshwright/meshwright/internal/component/helmrelease"
)

// Namespace is where the load balancer of a cluster runs.
const Namespace = "metallb-system"

const (
	poolName     = "lab"
	reservedName = "gateways"
)

// AddressAnnotation on a service requests an address from MetalLB.
const AddressAnnotation = "metallb.io/loadBalancerIPs"

// MetalLB is a load balancer with a pool of addresses, and another one for the services
// whose addresses are planned.
type MetalLB struct {
	pulumi.ResourceState
}

// MetalLBArgs describes a load balancer.
type MetalLBArgs struct {
	// Addresses is the pool, "first-last".
	Addresses string
	Reserved  Reserved
	Artifacts *artifacts.Set
}

// Reserved is a range of addresses that only certain services can have, and only by
// AddressAnnotation.
type Reserved struct {
	// Addresses is the range, "first-last". No other pool has one of them.
	Addresses string
	// Namespace of the services, and their labels "app".
	Namespace string
	Apps      []string
}

// NewMetalLB registers a load balancer. opts must bring the cluster's provider.
func NewMetalLB(ctx *pulumi.Context, name string, args *MetalLBArgs, opts ...pulumi.ResourceOption) (*MetalLB, error) {
	lb := &MetalLB{}
	if err := ctx.RegisterComponentResource("meshwright:loadbalancer:MetalLB", name, lb, opts...); err != nil {
		return nil, err
	}
	parent := pulumi.Parent(lb)
	chart, err := args.Artifacts.Chart("metallb")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	values, err := chartValues(args.Artifacts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	ns, err := corev1.NewNamespace(ctx, name+"-namespace", &corev1.NamespaceArgs{
		Metadata: metav1.ObjectMetaArgs{
			Name: pulumi.String(Namespace),
			// The speaker uses the host network, which the stricter levels forbid.
			Labels: pulumi.StringMap{"pod-security.kubernetes.io/enforce": pulumi.String("privileged")},
		},
	}, parent)
	if err != nil {
		return nil, err
	}
	release, err := helmrelease.New(ctx, name+"-release", &helmrelease.Args{
		Name: "metallb", Namespace: Namespace, Chart: chart, Values: values,
	}, parent, pulumi.DependsOn([]pulumi.Resource{ns}))
	if err != nil {
		return nil, err
	}
	// MetalLB's webhook validates the pools, so MetalLB must be ready.
	pool, err := custom("IPAddressPool", poolName, pulumi.Map{
		"addresses": pulumi.ToStringArray([]string{args.Addresses}),
	}).Register(ctx, name+"-pool", parent, pulumi.DependsOn([]pulumi.Resource{release}))
	if err != nil {
		return nil, err
	}
	// It refuses pools that overlap: one that shrinks must do so first.
	reserved, err := custom("IPAddressPool", reservedName, args.Reserved.spec()).
		Register(ctx, name+"-reserved", parent, pulumi.DependsOn([]pulumi.Resource{pool}))
	if err != nil {
		return nil, err
	}
	_, err = custom("L2Advertisement", poolName, pulumi.Map{
		"ipAddressPools": pulumi.ToStringArray([]string{poolName, reservedName}),
	}).Register(ctx, name+"-advertisement", parent, pulumi.DependsOn([]pulumi.Resource{pool, reserved}))
	if err != nil {
		return nil, err
	}
	component.Outputs(ctx, lb, pulumi.Map{})
	return lb, nil
}

// spec refuses the addresses to every other service, also to one that asks for them.
func (r Reserved) spec() pulumi.Map {
	return pulumi.Map{
		"addresses":  pulumi.ToStringArray([]string{r.Addresses}),
		"autoAssign": pulumi.Bool(false),
		"serviceAllocation": pulumi.Map{
			"namespaces": pulumi.ToStringArray([]string{r.Namespace}),
			"serviceSelectors": pulumi.Array{pulumi.Map{"matchExpressions": pulumi.Array{pulumi.Map{
				"key": pulumi.String("app"), "operator": pulumi.String("In"), "values": pulumi.ToStringArray(r.Apps),
			}}}},
		},
	}
}

func custom(kind, name string, spec pulumi.Map) component.Custom {
	return component.Custom{APIVersion: "metallb.io/v1beta1", Kind: kind, Namespace: Namespace, Name: name, Spec: spec}
}

// chartValues configure the chart for layer 2 only. Probes start after one second,
// because a lab waits for them; the chart's default is ten.
func chartValues(set *artifacts.Set) (pulumi.Map, error) {
	controller, err := image(set, "metallb-controller")
	if err != nil {
		return nil, err
	}
	speaker, err := image(set, "metallb-speaker")
	if err != nil {
		return nil, err
	}
	promptly := pulumi.Map{"initialDelaySeconds": pulumi.Int(1), "periodSeconds": pulumi.Int(2)}
	return pulumi.Map{
		"controller": pulumi.Map{"image": controller, "readinessProbe": promptly},
		"speaker": pulumi.Map{
			"image": speaker, "readinessProbe": promptly,
			"startupProbe": pulumi.Map{"periodSeconds": pulumi.Int(1), "failureThreshold": pulumi.Int(120)},
			"frr":          pulumi.Map{"enabled": pulumi.Bool(false)},
			// kind excludes control plane nodes from load balancers, and a cluster of a
			// lab often has no other node.
			"ignoreExcludeLB": pulumi.Bool(true),
		},
		"frrk8s": pulumi.Map{"enabled": pulumi.Bool(false)},
	}, nil
}

// image splits the image of a role into the chart's repository and tag.
func image(set *artifacts.Set, role string) (pulumi.Map, error) {
	i, err := set.Image(role)
	if err != nil {
		return nil, err
	}
	repository, tag, ok := cutTag(i.Name)
	if !ok {
		return nil, fmt.Errorf("image %q has no tag", i.Name)
	}
	return pulumi.Map{
		"repository": pulumi.String(repository), "tag": pulumi.String(tag),
		"pullPolicy": pulumi.String("IfNotPresent"),
	}, nil
}

// cutTag splits a reference at the colon before the tag, which a digest may follow. The
// colon before a registry's port does not count.
func cutTag(reference string) (repository, tag string, ok bool) {
	name, _, _ := strings.Cut(reference, "@")
	i := strings.LastIndex(name, ":")
	if i < 0 || strings.Contains(name[i:], "/") {
		return reference, "", false
	}
	return reference[:i], reference[i+1:], true
}
